import { Link } from 'react-router'
import { sentence } from '@/api/client'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { useToast } from '@/ui/Toast'
import { useAddToBasket } from './queries'

/** Puts one piece into the basket, where there is no room to ask how many. */
export function AddOne({ sku, name, available }: { sku: string; name: string; available: boolean }) {
  const add = useAddToBasket()
  const toast = useToast()
  return (
    <Button
      look="secondary"
      aria-label={available ? `Add to basket: ${name}` : undefined}
      busy={add.isPending}
      disabled={!available}
      onClick={() =>
        add.mutate([{ sku, quantity: 1 }], {
          onSuccess: () =>
            toast({
              text: `Added to your basket: ${name}`,
              action: (close) => (
                <Link to={paths.basket} onClick={close}>
                  View basket
                </Link>
              ),
            }),
          onError: (error) => toast({ text: sentence(error) }),
        })
      }
    >
      {available ? 'Add to basket' : 'Sold out'}
    </Button>
  )
}
