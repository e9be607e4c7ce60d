import { useSuspenseQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { useCurrency } from '@/api/currency'
import type { Wishlist as Wishes } from '@/api/types'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Message } from '@/ui/Message'
import { Money } from '@/ui/Money'
import { Picture } from '@/ui/Picture'
import { useToast } from '@/ui/Toast'
import { Page } from './Page'
import { useWish, wishlistQuery } from './wishes'
import styles from './Wishlist.module.css'
import { refusal } from './words'

type Wished = Wishes['items'][number]

interface Props {
  /** How something that is wished for is bought. */
  purchase: (wish: { sku: string; name: string; available: boolean }) => ReactNode
}

/** What the customer would like to have, the newest wish first. */
export function Wishlist({ purchase }: Props) {
  const { data: wishes } = useSuspenseQuery(wishlistQuery(useCurrency()))
  if (wishes.length === 0) {
    return (
      <Page title="Wishlist">
        <Message title="Nothing wished for yet" action={<ButtonLink to={paths.products()}>Look around</ButtonLink>}>
          Press the heart beside something that you like, and find it again here.
        </Message>
      </Page>
    )
  }
  return (
    <Page
      title="Wishlist"
      lead={
        <>
          What you liked, at the prices of today. Shall we write when something is back in stock? Say so in your <Link to={paths.account.preferences}>preferences</Link>.
        </>
      }
    >
      <ul className={styles.wishes}>
        {wishes.toReversed().map((wish) => (
          <WishCard key={wish.sku} wish={wish} purchase={purchase} />
        ))}
      </ul>
    </Page>
  )
}

function WishCard({ wish: { sku, product, available }, purchase }: Props & { wish: Wished }) {
  const remove = useWish()
  const toast = useToast()
  const name = product?.name ?? sku
  return (
    <li className={styles.wish} aria-busy={remove.isPending}>
      <Picture src={product?.image} tint={product?.slug} size="small" />
      <div className={styles.words}>
        <h2>{product ? <Link to={`${paths.product(product.slug)}?${new URLSearchParams({ variant: sku })}`}>{name}</Link> : name}</h2>
        <p>{product ? <Money value={product.price} /> : 'Not sold any more'}</p>
      </div>
      <div className={styles.actions}>
        {product && purchase({ sku, name, available: available !== false })}
        <Button
          look="quiet"
          aria-label={`Remove ${name}`}
          busy={remove.isPending}
          onClick={() =>
            remove.mutate({ sku, wanted: false }, { onSuccess: () => toast({ text: `Off your wishlist: ${name}` }), onError: (error) => toast({ text: refusal(error) }) })
          }
        >
          Remove
        </Button>
      </div>
    </li>
  )
}
