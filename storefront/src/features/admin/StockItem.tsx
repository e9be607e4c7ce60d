import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { Movement } from '@/api/types'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { readCursor } from './filter'
import { List, Pages } from './List'
import { reasonWords, signed } from './stock'
import { StockBadge } from './Stock'
import { AdjustDialog, ThresholdDialog } from './StockDialogs'
import { movementsQuery, reservationsQuery, stockItemQuery } from './stockQueries'

/** The stock of one SKU: its counts, who waits for it, and its ledger. */
export function StockItem({ sku, mayAct }: { sku: string; mayAct: boolean }) {
  const { data: item } = useSuspenseQuery(stockItemQuery(sku))
  const [open, setOpen] = useState<'adjust' | 'threshold' | null>(null)
  const close = () => setOpen(null)
  const counts: [string, number][] = [
    ['In the house', item.onHand],
    ['Held for orders', item.reserved],
    ['Free', item.available],
    ['Low at', item.threshold],
  ]
  return (
    <div className={styles.page}>
      <title>{`${sku} · Stock · Back office`}</title>
      <div className={styles.head}>
        <div className={styles.title}>
          <h1>{sku}</h1>
          <StockBadge item={item} />
        </div>
        {mayAct && (
          <div role="group" aria-label="Actions" className={styles.actions}>
            <Button onClick={() => setOpen('adjust')}>Adjust</Button>
            <Button look="secondary" onClick={() => setOpen('threshold')}>
              Change threshold
            </Button>
          </div>
        )}
      </div>
      <dl className={styles.facts}>
        {counts.map(([name, n]) => [<dt key={name}>{name}</dt>, <dd key={`${name} count`}>{n.toLocaleString()}</dd>])}
      </dl>
      <Reservations sku={sku} />
      <Ledger sku={sku} />
      {open === 'adjust' && <AdjustDialog item={item} onClose={close} />}
      {open === 'threshold' && <ThresholdDialog item={item} onClose={close} />}
    </div>
  )
}

function Reservations({ sku }: { sku: string }) {
  const { data } = useQuery(reservationsQuery(sku))
  if (!data) return null
  return (
    <section aria-labelledby="reservations" className={styles.section}>
      <h2 id="reservations">Orders that wait for it</h2>
      {data.items.length === 0 ? (
        <p className={styles.muted}>None.</p>
      ) : (
        <div className={styles.fill}>
          <Table
            caption="Orders that wait for it"
            rows={data.items}
            rowKey={({ orderId }) => orderId}
            columns={[
              { title: 'Order', cell: ({ orderId }) => <Link to={paths.admin.order(orderId)}>{orderId}</Link> },
              { title: 'State', cell: ({ state, expiresAt }) => (state === 'owed' ? 'Paid, and not in stock' : `Held until ${formatMoment(expiresAt)}`) },
              { title: 'Since', cell: ({ since }) => formatMoment(since) },
              { title: 'Pieces', end: true, cell: ({ quantity }) => quantity },
            ]}
          />
        </div>
      )}
      {data.nextCursor && <p className={styles.muted}>And more: the first {data.items.length} are shown.</p>}
    </section>
  )
}

function Ledger({ sku }: { sku: string }) {
  const [search] = useSearchParams()
  const query = useQuery(movementsQuery(sku, readCursor(search)))
  return (
    <section aria-labelledby="movements" className={styles.section}>
      <h2 id="movements">Movements</h2>
      <div className={styles.fill}>
        <List query={query} empty="No movements yet" isEmpty={({ items }) => items.length === 0}>
          {({ items }, dim) => (
            <Table
              caption="Movements"
              rows={items}
              rowKey={({ id }) => String(id)}
              dim={dim}
              columns={[
                { title: 'When', cell: ({ at }) => formatMoment(at) },
                { title: 'Change', end: true, cell: ({ change }) => (change === 0 ? '–' : signed(change)) },
                { title: 'Why', cell: why },
                { title: 'By', cell: ({ by }) => by?.name || by?.id || '–' },
                { title: 'Note', cell: ({ note }) => note ?? '–' },
              ]}
            />
          )}
        </List>
        <Pages next={query.data?.nextCursor} />
      </div>
    </section>
  )
}

function why({ reason, ref }: Movement) {
  return ref && (reason === 'sold' || reason === 'cancelled') ? <Link to={paths.admin.order(ref)}>{reasonWords[reason]}</Link> : reasonWords[reason]
}
