import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { StockItem } from '@/api/types'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button, ButtonLink } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { CheckField, Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { Notice } from '@/ui/Notice'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { readCursor, withFilter } from './filter'
import { List, Pages } from './List'
import { readStockFilter } from './stock'
import { AdjustDialog } from './StockDialogs'
import { stockQuery, stockReportQuery } from './stockQueries'

/** What is in stock, as the URL says. `mayAct` is for administrators; support looks. */
export function Stock({ mayAct }: { mayAct: boolean }) {
  const [search] = useSearchParams()
  const query = useQuery(stockQuery(readStockFilter(search), readCursor(search)))
  const [adjusting, setAdjusting] = useState<StockItem>()
  const [bringing, setBringing] = useState(false)
  return (
    <div className={styles.page}>
      <title>Stock · Back office</title>
      <div className={styles.head}>
        <h1>Stock</h1>
        {mayAct && (
          <div className={styles.actions}>
            <Button look="secondary" onClick={() => setBringing(true)}>
              New SKU
            </Button>
            <ButtonLink look="secondary" to={paths.admin.stockImport}>
              Import a stocktake
            </ButtonLink>
          </div>
        )}
      </div>
      <Filters key={search.toString()} />
      <List query={query} empty={search.size > 0 ? 'Nothing found' : 'Nothing is in stock yet'} isEmpty={({ items }) => items.length === 0}>
        {({ items }, dim) => (
          <Table
            caption="Stock"
            rows={items}
            rowKey={({ sku }) => sku}
            dim={dim}
            columns={[
              {
                title: 'SKU',
                cell: ({ sku, name }) => (
                  <>
                    <Link to={paths.admin.stockItem(sku)}>{sku}</Link>
                    {name && (
                      <>
                        <br />
                        <span className={styles.muted}>{name}</span>
                      </>
                    )}
                  </>
                ),
              },
              { title: 'In the house', end: true, cell: ({ onHand }) => onHand.toLocaleString() },
              { title: 'Held', end: true, cell: ({ reserved }) => reserved.toLocaleString() },
              { title: 'Free', end: true, cell: ({ available }) => available.toLocaleString() },
              { title: 'State', cell: (item) => <StockBadge item={item} /> },
              ...(mayAct
                ? [
                    {
                      title: 'Action',
                      cell: (item: StockItem) => (
                        <div>
                          <Button look="quiet" aria-label={`Adjust ${item.sku}`} onClick={() => setAdjusting(item)}>
                            Adjust
                          </Button>
                        </div>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
      <Agreement />
      {adjusting && <AdjustDialog item={adjusting} onClose={() => setAdjusting(undefined)} />}
      {bringing && <AdjustDialog onClose={() => setBringing(false)} />}
    </div>
  )
}

export function StockBadge({ item: { available, threshold } }: { item: StockItem }) {
  return (
    <span>
      {available === 0 ? <Badge tone="bad">Sold out</Badge> : available <= threshold ? <Badge tone="wait">Low</Badge> : <Badge tone="good">In stock</Badge>}
    </span>
  )
}

function Filters() {
  const [search, setSearch] = useSearchParams()
  const { query, low } = readStockFilter(search)
  return (
    <Form role="search" aria-label="Stock" className={styles.filters} onSubmit={(values) => setSearch(withFilter(values))}>
      <Field optional={false} label="Part of a SKU" name="query" type="search" maxLength={64} defaultValue={query} />
      <CheckField label="Only what is low" name="low" value="true" defaultChecked={low} />
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

/** Whether the counts are what their movements add up to. Says nothing while it is not known. */
function Agreement() {
  const { data } = useQuery(stockReportQuery)
  if (!data) return null
  const { checkedAt, skus, movements, wrong } = data
  if (wrong.length === 0) {
    return (
      <p className={styles.muted}>
        The counts of {skus.toLocaleString()} SKUs are what their {movements.toLocaleString()} movements and the open orders add up to, as of {formatMoment(checkedAt)}.
      </p>
    )
  }
  return (
    <section aria-labelledby="wrong" className={styles.section}>
      <h2 id="wrong">Counts that the ledger does not explain</h2>
      <Notice tone="danger">As of {formatMoment(checkedAt)}. Count these, and tell the operators.</Notice>
      <div className={styles.fill}>
        <Table
          caption="Counts that the ledger does not explain"
          rows={wrong}
          rowKey={({ sku }) => sku}
          columns={[
            { title: 'SKU', cell: ({ sku }) => <Link to={paths.admin.stockItem(sku)}>{sku}</Link> },
            { title: 'In the house', end: true, cell: ({ onHand }) => onHand },
            { title: 'By its movements', end: true, cell: ({ ledger }) => ledger },
            { title: 'Held', end: true, cell: ({ reserved }) => reserved },
            { title: 'By its orders', end: true, cell: ({ held }) => held },
          ]}
        />
      </div>
    </section>
  )
}
