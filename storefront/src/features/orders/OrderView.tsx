import { useSuspenseQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { Order, OrderStatus } from '@/api/types'
import { paths } from '@/paths'
import { PostalAddress } from '@/ui/AddressFields'
import { ButtonAnchor } from '@/ui/Button'
import { formatDay, formatMoment } from '@/ui/dates'
import { LineItem } from '@/ui/LineItem'
import { formatMoney, negative } from '@/ui/money'
import { PriceLines } from '@/ui/PriceLines'
import { Cancellation } from './Cancellation'
import styles from './OrderView.module.css'
import { isClosed, orderQuery, useLiveOrder } from './queries'
import { Returns } from './Returns'
import { awaitsCustomer, headline, statusNames, type AtPayPal } from './words'

interface Props {
  id: string
  /** What the customer did at PayPal, where they just came from. */
  atPayPal: AtPayPal
  /** What can be done with an order that came to nothing. */
  again: (order: Order) => ReactNode
}

/** One order, live. */
export function OrderView({ id, atPayPal, again }: Props) {
  const { data: order } = useSuspenseQuery(orderQuery(id))
  const { live } = useLiveOrder(order)
  const { tone, title, text } = headline(order, atPayPal)
  return (
    <>
      <title>{`Order ${order.number} · Sidecart`}</title>
      <div className={styles.head}>
        <p className={styles.number}>
          Order {order.number} · {formatDay(order.placedAt)}
        </p>
        {!isClosed(order) && (
          <p className={styles.live} data-live={live}>
            {live ? 'Live' : 'Connecting…'}
          </p>
        )}
      </div>
      <div className={styles.banner} data-tone={tone}>
        <div role="status">
          <h1>{title}</h1>
          <p>{text}</p>
        </div>
        {awaitsCustomer(order) && (
          <ButtonAnchor size="large" look={atPayPal === 'approved' ? 'secondary' : 'primary'} href={order.payment.redirectUrl}>
            {order.payment.provider === 'paypal' ? 'Approve at PayPal' : 'Confirm with your bank'}
          </ButtonAnchor>
        )}
        {tone === 'bad' && again(order)}
      </div>
      <Steps status={order.status} />
      <div className={styles.columns}>
        <section aria-labelledby="items">
          <h2 id="items">Items</h2>
          <ul className={styles.lines}>
            {order.lines.map(({ sku, slug, name, image, quantity, unitPrice, lineTotal }) => (
              <LineItem key={sku} name={name} to={slug && paths.product(slug)} image={image} tint={slug} detail={`${quantity} × ${formatMoney(unitPrice)}`} total={lineTotal} />
            ))}
          </ul>
          <PriceLines
            rows={[
              { label: 'Subtotal', value: order.subtotal },
              ...(order.discount.amount !== 0 ? [{ label: order.coupon ? `Discount (${order.coupon})` : 'Discount', value: negative(order.discount) }] : []),
              { label: `Shipping (${order.shippingMethod})`, value: order.shipping },
              { label: 'Tax', value: order.tax },
              { label: 'Total', value: order.total, total: true },
              ...(order.refunded.amount > 0 ? [{ label: 'Refunded', value: order.refunded }] : []),
            ]}
          />
          {order.invoice && (
            <p className={styles.invoice}>
              <a href={`/api/v1/orders/${encodeURIComponent(order.id)}/invoice`} target="_blank" rel="noreferrer">
                Invoice {order.invoice}
                <span className="visually-hidden"> (opens in a new tab)</span>
              </a>
            </p>
          )}
        </section>
        <div className={styles.side}>
          <section aria-labelledby="history">
            <h2 id="history">History</h2>
            <ol className={styles.history}>
              {order.timeline.map(({ seq, status, at, note }) => (
                <li key={seq}>
                  <strong>{statusNames[status]}</strong>
                  <time dateTime={at}>{formatMoment(at)}</time>
                  {note && <p>{note}</p>}
                </li>
              ))}
            </ol>
          </section>
          <section aria-labelledby="delivery">
            <h2 id="delivery">Delivery</h2>
            {order.shipment && <Parcel shipment={order.shipment} />}
            <PostalAddress value={order.address} />
            {order.email && <p className={styles.email}>{order.email}</p>}
          </section>
          <Returns order={order} />
          <Cancellation order={order} />
        </div>
      </div>
    </>
  )
}

const way: OrderStatus[] = ['placed', 'reserved', 'paid', 'shipped', 'delivered']

function Steps({ status }: { status: OrderStatus }) {
  const reached = way.indexOf(status)
  if (reached === -1) return null
  return (
    <ol aria-label="Progress" className={styles.steps}>
      {way.map((step, index) => (
        <li key={step} data-done={index <= reached} aria-current={index === reached ? 'step' : undefined}>
          <span>
            {statusNames[step]}
            {index <= reached && <span className="visually-hidden"> (done)</span>}
          </span>
        </li>
      ))}
    </ol>
  )
}

function Parcel({ shipment: { carrier, trackingNumber, trackingUrl, shippedAt, deliveredAt } }: { shipment: NonNullable<Order['shipment']> }) {
  return (
    <p>
      {deliveredAt ? `Delivered on ${formatDay(deliveredAt)} by ${carrier}, ` : `Handed to ${carrier} on ${formatDay(shippedAt)}, `}
      tracking number {trackingUrl ? <a href={trackingUrl}>{trackingNumber}</a> : <strong>{trackingNumber}</strong>}
    </p>
  )
}
