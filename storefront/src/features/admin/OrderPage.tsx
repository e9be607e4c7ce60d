import { useSuspenseQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { formErrors } from '@/api/client'
import type { AdminOrder } from '@/api/types'
import { paths } from '@/paths'
import { PostalAddress } from '@/ui/AddressFields'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatDay, formatMoment } from '@/ui/dates'
import { TextField } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { formatMoney, negative } from '@/ui/money'
import { Notice } from '@/ui/Notice'
import { PriceLines } from '@/ui/PriceLines'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { OrderActions } from './OrderActions'
import { orderQuery, useAddNote } from './queries'
import { ReturnCard } from './ReturnCard'
import { Trace } from './Trace'
import { orderWords } from './words'

/** One order with all that the staff can know and do. */
export function OrderPage({ id }: { id: string }) {
  const { data: order } = useSuspenseQuery(orderQuery(id))
  const { name, tone } = orderWords[order.status]
  return (
    <div className={styles.page}>
      <title>{`Order ${order.number} · Back office`}</title>
      <div className={styles.head}>
        <div className={styles.title}>
          <h1>Order {order.number}</h1>
          <div role="status">
            <Badge tone={tone}>{name}</Badge>
          </div>
        </div>
        <OrderActions order={order} />
      </div>
      {order.attention && (
        <Notice tone="warn" title="Somebody has to look at this order">
          {order.attention}
        </Notice>
      )}
      <div className={styles.columns}>
        <div className={styles.stack}>
          <section aria-labelledby="items">
            <h2 id="items">Items</h2>
            <div className={styles.fill}>
              <Table
                caption="Items"
                rows={order.lines}
                rowKey={({ sku }) => sku}
                columns={[
                  {
                    title: 'Item',
                    cell: ({ name: item, sku, slug }) => (
                      <>
                        {slug ? <Link to={paths.product(slug)}>{item}</Link> : item} <span className={styles.muted}>{sku}</span>
                      </>
                    ),
                  },
                  { title: 'Quantity', end: true, cell: ({ quantity }) => quantity },
                  { title: 'Each', end: true, cell: ({ unitPrice }) => formatMoney(unitPrice) },
                  { title: 'Sum', end: true, cell: ({ lineTotal }) => formatMoney(lineTotal) },
                ]}
              />
            </div>
            <div className={styles.fill}>
              <PriceLines
                rows={[
                  { label: 'Subtotal', value: order.subtotal },
                  ...(order.discount.amount !== 0 ? [{ label: order.coupon ? `Discount (${order.coupon})` : 'Discount', value: negative(order.discount) }] : []),
                  { label: `Shipping (${order.shippingMethod})`, value: order.shipping },
                  { label: 'Tax', value: order.tax },
                  { label: 'Total', value: order.total, total: true },
                  { label: 'Refunded', value: order.refunded },
                ]}
              />
            </div>
          </section>
          {order.returns.length > 0 && (
            <section aria-labelledby="returns">
              <h2 id="returns">Returns</h2>
              <ul className={`${styles.cards} ${styles.fill}`}>
                {order.returns.map((one) => (
                  <ReturnCard key={one.id} request={one} nameOf={(sku) => order.lines.find((line) => line.sku === sku)?.name} />
                ))}
              </ul>
            </section>
          )}
          <Notes order={order} />
        </div>
        <div className={styles.stack}>
          <section aria-labelledby="facts">
            <h2 id="facts">Order</h2>
            <dl className={styles.facts}>
              <dt>Placed</dt>
              <dd>{formatMoment(order.placedAt)}</dd>
              {order.dueAt && (
                <>
                  <dt>Next step due</dt>
                  <dd>{formatMoment(order.dueAt)}</dd>
                </>
              )}
              {order.invoice && (
                <>
                  <dt>Invoice</dt>
                  <dd>
                    <a href={`/api/v1/orders/${encodeURIComponent(order.id)}/invoice`} target="_blank" rel="noreferrer">
                      {order.invoice}
                      <span className="visually-hidden"> (opens in a new tab)</span>
                    </a>
                  </dd>
                </>
              )}
              <dt>Payment</dt>
              <dd>
                {order.payment.provider}, {order.payment.status.replaceAll('_', ' ')}
                {order.payment.failure && ` (${order.payment.failure})`}
              </dd>
              <dt>Attempts</dt>
              <dd>{order.paymentAttempts}</dd>
              <dt>Customer</dt>
              <dd>{order.email}</dd>
              <dt>Customer id</dt>
              <dd>{order.customerId}</dd>
              <dt>Order id</dt>
              <dd>{order.id}</dd>
            </dl>
          </section>
          <section aria-labelledby="delivery">
            <h2 id="delivery">Delivery</h2>
            <PostalAddress value={order.address} />
            {order.shipment && (
              <p>
                {order.shipment.carrier}, {order.shipment.trackingUrl ? <a href={order.shipment.trackingUrl}>{order.shipment.trackingNumber}</a> : order.shipment.trackingNumber}
                <br />
                <span className={styles.muted}>
                  Shipped {formatDay(order.shipment.shippedAt)}
                  {order.shipment.deliveredAt && `, delivered ${formatDay(order.shipment.deliveredAt)}`}
                </span>
              </p>
            )}
          </section>
        </div>
      </div>
      <Trace id={id} />
    </div>
  )
}

function Notes({ order }: { order: AdminOrder }) {
  const add = useAddNote(order.id)
  return (
    <section aria-labelledby="notes">
      <h2 id="notes">Notes</h2>
      {order.notes.length > 0 && (
        <ul className={styles.notes}>
          {order.notes.map(({ at, by, text }) => (
            <li key={`${at} ${by}`}>
              {text}
              <br />
              <span className={styles.muted}>
                {by}, {formatMoment(at)}
              </span>
            </li>
          ))}
        </ul>
      )}
      {/* Another note begins with an empty form. */}
      <Form key={order.notes.length} className={`${styles.form} ${styles.fill}`} {...formErrors(add.error)} onSubmit={({ text = '' }) => add.isPending || add.mutate(text)}>
        <TextField label="Note" name="text" required maxLength={2000} rows={2} hint="Only the staff reads it." />
        <div>
          <Button type="submit" look="secondary" busy={add.isPending}>
            Add note
          </Button>
        </div>
      </Form>
    </section>
  )
}
