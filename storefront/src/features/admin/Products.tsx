import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'react-router'
import { sized } from '@/api/images'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Field, SelectField } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { formatMoney } from '@/ui/money'
import { Picture } from '@/ui/Picture'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { CategoryField } from './CategoryField'
import { categoriesQuery, productsQuery } from './catalogQueries'
import { productSorts, readCursor, readProductFilter, withFilter } from './filter'
import { List, Pages } from './List'
import { productStatuses, productWords } from './words'

const sortNames: Record<(typeof productSorts)[number], string> = { name: 'Name', '-updated': 'Last changed', newest: 'Newest' }

/** All products, shown to shoppers or not, as the URL says. */
export function Products() {
  const [search] = useSearchParams()
  const query = useQuery(productsQuery(readProductFilter(search), readCursor(search)))
  const { data: categories = [] } = useQuery(categoriesQuery)
  const nameOf = (slug: string) => categories.find((category) => category.slug === slug)?.name ?? slug
  return (
    <>
      <Filters key={search.toString()} />
      <p role="status" className={styles.muted}>
        {query.data && !query.isPlaceholderData && `${query.data.total} ${query.data.total === 1 ? 'product' : 'products'}`}
      </p>
      <List query={query} empty="No products found" isEmpty={({ items }) => items.length === 0}>
        {({ items }, dim) => (
          <Table
            caption="Products"
            rows={items}
            rowKey={({ id }) => id}
            dim={dim}
            columns={[
              {
                title: 'Product',
                cell: ({ id, name, brand, image, slug }) => (
                  <span className={styles.withPicture}>
                    <Picture {...sized(image || undefined)} tint={slug} size="small" />
                    <span>
                      <Link to={paths.admin.product(id)}>{name}</Link>
                      <br />
                      <span className={styles.muted}>{brand}</span>
                    </span>
                  </span>
                ),
              },
              { title: 'Category', cell: ({ category }) => nameOf(category) },
              { title: 'Status', cell: ({ status }) => <span><Badge tone={productWords[status].tone}>{productWords[status].name}</Badge></span> },
              { title: 'Variants', end: true, cell: ({ variants }) => variants },
              { title: 'From', end: true, cell: ({ prices }) => lowest(prices) },
              { title: 'Changed', cell: ({ updatedAt }) => formatMoment(updatedAt) },
            ]}
          />
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}

/** The lowest price in the first currency there is one in. */
function lowest(prices: Record<string, number>): string {
  const [first] = Object.entries(prices)
  return first ? formatMoney({ amount: first[1], currency: first[0] }) : '–'
}

function Filters() {
  const [search, setSearch] = useSearchParams()
  const { data: categories = [] } = useQuery(categoriesQuery)
  const { query, category, status, sort } = readProductFilter(search)
  return (
    <Form role="search" aria-label="Products" className={styles.filters} onSubmit={(values) => setSearch(withFilter(values))}>
      <Field optional={false} label="Name, brand or SKU" name="query" type="search" maxLength={100} defaultValue={query} />
      <CategoryField key={categories.length} label="Category" name="category" categories={categories} value={category ?? ''} none="All" />
      <SelectField label="Status" name="status" defaultValue={status ?? ''}>
        <option value="">All</option>
        {productStatuses.map((one) => (
          <option key={one} value={one}>
            {productWords[one].name}
          </option>
        ))}
      </SelectField>
      <SelectField label="Sort by" name="sort" defaultValue={sort ?? ''}>
        {productSorts.map((one) => (
          <option key={one} value={one === 'name' ? '' : one}>
            {sortNames[one]}
          </option>
        ))}
      </SelectField>
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
