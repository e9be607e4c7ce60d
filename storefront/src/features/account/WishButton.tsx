import { useQuery } from '@tanstack/react-query'
import { Link, useLocation, useNavigate } from 'react-router'
import { useCurrency } from '@/api/currency'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { HeartIcon } from '@/ui/icons'
import { useToast } from '@/ui/Toast'
import { meQuery } from './queries'
import styles from './WishButton.module.css'
import { useWish, useWished } from './wishes'
import { refusal } from './words'

/** A heart: puts one variant on the wishlist, or takes it off. Visitors are led to sign in, and back. */
export function WishButton({ sku, name }: { sku: string; name: string }) {
  const { data: user } = useQuery(meQuery)
  const wished = useWished(sku, useCurrency()) ?? false
  const wish = useWish()
  const toast = useToast()
  const navigate = useNavigate()
  const { pathname, search } = useLocation()
  // What was asked for is shown before the shop has answered.
  const shown = wish.isPending ? wish.variables.wanted : wished

  function toggle() {
    if (!user) return void navigate(paths.signIn(pathname + search))
    const wanted = !wished
    wish.mutate(
      { sku, wanted },
      {
        onSuccess: () =>
          toast(
            wanted
              ? {
                  text: `On your wishlist: ${name}`,
                  action: (close) => (
                    <Link to={paths.account.wishlist} onClick={close}>
                      View wishlist
                    </Link>
                  ),
                }
              : { text: `Off your wishlist: ${name}` },
          ),
        onError: (error) => toast({ text: refusal(error) }),
      },
    )
  }

  return (
    <Button look="secondary" className={styles.wish} aria-pressed={shown} busy={wish.isPending} onClick={toggle}>
      <HeartIcon full={shown} />
      Wishlist
    </Button>
  )
}
