import { useSuspenseInfiniteQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { sentence } from '@/api/client'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button, ButtonLink } from '@/ui/Button'
import { formatDay } from '@/ui/dates'
import { Message } from '@/ui/Message'
import { Money } from '@/ui/Money'
import { Notice } from '@/ui/Notice'
import { Picture } from '@/ui/Picture'
import styles from './OrderList.module.css'
import { ordersQuery } from './queries'
import { headline, statusNames } from './words'

/** The customer's orders, newest first. */
export function OrderList() {
  const { data, error, hasNextPage, isFetchingNextPage, fetchNextPage } = useSuspenseInfiniteQuery(ordersQuery)
  const orders = data.pages.flatMap(({ items }) => items)
  if (orders.length === 0) {
    return (
      <Message title="No orders yet" action={<ButtonLink to={paths.products()}>Find something good</ButtonLink>}>
        What you buy will be listed here.
      </Message>
    )
  }
  return (
    <>
      <ul className={styles.orders}>
        {orders.map((order) => (
          <li key={order.id} className={styles.order}>
            <div className={styles.words}>
              <h2>
                <Link to={paths.order(order.id)}>Order {order.number}</Link>
              </h2>
              <p>{formatDay(order.placedAt)}</p>
            </div>
            <div className={styles.pictures} aria-hidden>
              {order.lines.slice(0, 4).map(({ sku, slug, image }) => (
                <Picture key={sku} src={image} tint={slug} size="small" />
              ))}
            </div>
            <p className={styles.status}>
              <Badge tone={headline(order).tone}>{statusNames[order.status]}</Badge>
            </p>
            <p className={styles.total}>
              <Money value={order.total} />
            </p>
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <div className={styles.more}>
          {error && <Notice tone="danger">{sentence(error)}</Notice>}
          <Button look="secondary" busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Load more
          </Button>
        </div>
      )}
    </>
  )
}
