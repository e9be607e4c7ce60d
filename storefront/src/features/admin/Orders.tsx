import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'react-router'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Field, SelectField } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { formatMoney } from '@/ui/money'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { readCursor, readOrderFilter, withFilter } from './filter'
import { List, Pages } from './List'
import { ordersQuery } from './queries'
import { orderStatuses, orderWords } from './words'

/** Orders of all customers, as the URL says. */
export function Orders() {
  const [search] = useSearchParams()
  const query = useQuery(ordersQuery(readOrderFilter(search), readCursor(search)))
  return (
    <>
      <Filters key={search.toString()} />
      <List query={query} empty="No orders found" isEmpty={({ items }) => items.length === 0}>
        {({ items }, dim) => (
          <Table
            caption="Orders"
            rows={items}
            rowKey={({ id }) => id}
            dim={dim}
            columns={[
              { title: 'Order', cell: ({ id, number }) => <Link to={paths.admin.order(id)}>{number}</Link> },
              { title: 'Placed', cell: ({ placedAt }) => formatMoment(placedAt) },
              {
                title: 'Customer',
                cell: ({ address, email }) => (
                  <span>
                    {address.name}
                    <br />
                    <span className={styles.muted}>{email}</span>
                  </span>
                ),
              },
              { title: 'State', cell: ({ status }) => <span><Badge tone={orderWords[status].tone}>{orderWords[status].name}</Badge></span> },
              { title: 'Total', end: true, cell: ({ total }) => formatMoney(total) },
            ]}
          />
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}

function Filters() {
  const [search, setSearch] = useSearchParams()
  const { status, query, from, to } = readOrderFilter(search)
  return (
    <Form role="search" aria-label="Orders" className={styles.filters} onSubmit={(values) => setSearch(withFilter(values))}>
      <Field optional={false} label="Number or e-mail" name="query" type="search" maxLength={254} defaultValue={query} />
      <SelectField label="State" name="status" defaultValue={status ?? ''}>
        <option value="">All</option>
        {orderStatuses.map((one) => (
          <option key={one} value={one}>
            {orderWords[one].name}
          </option>
        ))}
      </SelectField>
      <Field optional={false} label="From" name="from" type="date" defaultValue={from} />
      <Field optional={false} label="To" name="to" type="date" defaultValue={to} />
      <div className={styles.actions}>
        <Button type="submit" look="secondary">
          Filter
        </Button>
        {search.size > 0 && (
          <Button look="quiet" onClick={() => setSearch({})}>
            Show all
          </Button>
        )}
      </div>
    </Form>
  )
}
