import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'react-router'
import type { Reconciliation as Report } from '@/api/types'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { formatMoney } from '@/ui/money'
import { Notice } from '@/ui/Notice'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { readPeriod, withFilter } from './filter'
import { List } from './List'
import { reconciliationQuery } from './queries'

/** Our books beside those of the payment providers. */
export function Reconciliation() {
  const [search, setSearch] = useSearchParams()
  const period = readPeriod(search)
  const query = useQuery(reconciliationQuery(period))
  return (
    <>
      <Form aria-label="Period" className={styles.filters} onSubmit={(values) => setSearch(withFilter(values))}>
        <Field optional={false} key={`from ${period.from}`} label="From" name="from" type="date" defaultValue={period.from} />
        <Field optional={false} key={`to ${period.to}`} label="To" name="to" type="date" defaultValue={period.to} />
        <div className={styles.actions}>
          <Button type="submit" look="secondary">
            Show
          </Button>
          <Button look="quiet" busy={query.isFetching} onClick={() => void query.refetch()}>
            Compare again
          </Button>
        </div>
      </Form>
      <List query={query} empty="" isEmpty={() => false}>
        {(report) => <Comparison report={report} />}
      </List>
    </>
  )
}

function Comparison({ report: { checkedAt, from, to, orders, captures, refunds, differences } }: { report: Report }) {
  const sums = [...captures.map((sum) => ({ ...sum, what: 'Captured' })), ...refunds.map((sum) => ({ ...sum, what: 'Refunded' }))]
  const compared = `${orders === 1 ? 'One order' : `${orders} orders`} from ${formatMoment(from)} to ${formatMoment(to)}, compared to the minor unit on ${formatMoment(checkedAt)}.`
  return (
    <div className={styles.stack}>
      <div role="status">
        {differences.length === 0 ? (
          <Notice tone="good" title="The books agree">
            {compared}
          </Notice>
        ) : (
          <Notice tone="warn" title={differences.length === 1 ? 'One difference' : `${differences.length} differences`}>
            {compared}
          </Notice>
        )}
      </div>
      {differences.length > 0 && (
        <section aria-labelledby="differences">
          <h2 id="differences">Differences</h2>
          <div className={styles.fill}>
            <Table
              caption="Differences"
              rows={differences}
              rowKey={({ orderId, kind, detail }) => `${orderId} ${kind} ${detail}`}
              columns={[
                { title: 'Order', cell: ({ orderId }) => <Link to={paths.admin.order(orderId)}>{orderId}</Link> },
                { title: 'Kind', cell: ({ kind }) => kind.replaceAll(/[-_]/g, ' ') },
                { title: 'Ours', end: true, cell: ({ ours }) => formatMoney(ours) },
                { title: "Provider's", end: true, cell: ({ provider }) => formatMoney(provider) },
                { title: 'Detail', cell: ({ detail }) => detail },
              ]}
            />
          </div>
        </section>
      )}
      {sums.length > 0 && (
        <section aria-labelledby="sums">
          <h2 id="sums">Sums</h2>
          <div className={styles.fill}>
            <Table
              caption="Sums"
              rows={sums}
              rowKey={({ what, currency }) => `${what} ${currency}`}
              columns={[
                { title: 'What', cell: ({ what, currency }) => `${what}, ${currency}` },
                { title: 'Ours', end: true, cell: ({ ours, currency }) => formatMoney({ amount: ours, currency }) },
                { title: "Provider's", end: true, cell: ({ provider, currency }) => formatMoney({ amount: provider, currency }) },
                { title: 'State', cell: ({ ours, provider }) => <span><Badge tone={ours === provider ? 'good' : 'bad'}>{ours === provider ? 'Equal' : 'Different'}</Badge></span> },
              ]}
            />
          </div>
        </section>
      )}
    </div>
  )
}
