import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'react-router'
import type { Dispute } from '@/api/types'
import { paths } from '@/paths'
import { Badge, type BadgeTone } from '@/ui/Badge'
import { formatMoment } from '@/ui/dates'
import { formatMoney } from '@/ui/money'
import { Table } from '@/ui/Table'
import { readCursor } from './filter'
import { List, Pages } from './List'
import { disputesQuery } from './queries'

const states: Record<Dispute['state'], { name: string; tone: BadgeTone }> = {
  open: { name: 'Open', tone: 'wait' },
  won: { name: 'Won', tone: 'good' },
  lost: { name: 'Lost', tone: 'bad' },
}

/** Payments that customers disputed. They are answered at the provider; here is what the provider told. */
export function Disputes() {
  const [search] = useSearchParams()
  const query = useQuery(disputesQuery(readCursor(search)))
  return (
    <>
      <List query={query} empty="No disputes" isEmpty={({ items }) => items.length === 0}>
        {({ items }, dim) => (
          <Table
            caption="Disputes"
            rows={items}
            rowKey={({ provider, id }) => `${provider} ${id}`}
            dim={dim}
            columns={[
              { title: 'Order', cell: ({ orderId }) => <Link to={paths.admin.order(orderId)}>{orderId}</Link> },
              { title: 'Provider', cell: ({ provider }) => provider },
              { title: 'Reason', cell: ({ reason }) => reason.replaceAll('_', ' ').toLowerCase() },
              { title: 'State', cell: ({ state }) => <span><Badge tone={states[state].tone}>{states[state].name}</Badge></span> },
              { title: 'Opened', cell: ({ openedAt }) => formatMoment(openedAt) },
              { title: 'Amount', end: true, cell: ({ amount }) => formatMoney(amount) },
            ]}
          />
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}
