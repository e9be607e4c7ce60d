import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { startTransition, useEffect, useOptimistic, useRef, useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { sentence } from '@/api/client'
import { useCurrency } from '@/api/currency'
import type { ProductList } from '@/api/types'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { CrossIcon, SlidersIcon } from '@/ui/icons'
import { Message } from '@/ui/Message'
import { Notice } from '@/ui/Notice'
import { Breadcrumbs } from './Breadcrumbs'
import { changeFilter, narrowings, readFilter, sorts, writeFilter } from './filter'
import { Filters } from './Filters'
import { ProductGrid, ProductGridSkeleton } from './ProductGrid'
import { categoriesQuery, categoryPath, pageSize, productsQuery, type Filter, type Sort } from './queries'
import { narrowingWords } from './words'
import styles from './ProductListing.module.css'

const sortNames: Record<Sort, string> = {
  relevance: 'Best match',
  rating: 'Best rated',
  newest: 'Newest',
  price: 'Price, low to high',
  '-price': 'Price, high to low',
  name: 'Name',
}

/** A list of products with its filters, as the URL says. */
export function ProductListing() {
  const [search, setSearch] = useSearchParams()
  const currency = useCurrency()
  const { filter, pages } = readFilter(search, currency)
  // What somebody chooses shows at once; the URL follows when the page has been asked whether it can be left.
  const [chosen, choose] = useOptimistic(filter)
  const navigate = useNavigate()
  const list = useInfiniteQuery({ ...productsQuery(filter, currency), placeholderData: keepPreviousData })
  const { data: categories = [] } = useQuery(categoriesQuery)
  const path = categoryPath(categories, filter.category)
  const title = titleOf(filter, path.at(-1)?.name)
  const shown = list.data?.pages.flatMap(({ items }) => items)
  const first = list.data?.pages[0]
  const grid = useRef<HTMLDivElement>(null)
  const heading = useRef<HTMLHeadingElement>(null)
  const count = shown?.length ?? 0
  /** The place of the product that somebody has asked for and that gets the focus. */
  const awaited = useRef<number>(undefined)

  function change(next: Filter) {
    startTransition(async () => {
      choose(next)
      await navigate({ search: writeFilter(next, currency).toString() }, { preventScrollReset: true })
    })
  }

  async function loadMore() {
    awaited.current = count
    await list.fetchNextPage()
    setSearch((now) => withPages(now, pages + 1), { replace: true, preventScrollReset: true })
  }

  // Who goes by keyboard goes on with the first of the new ones, as soon as it is there; the button has moved away.
  useEffect(() => {
    if (awaited.current === undefined || count <= awaited.current) return
    grid.current?.querySelectorAll<HTMLElement>('article a')[awaited.current]?.focus({ preventScroll: true })
    awaited.current = undefined
  }, [count])

  return (
    <div className={styles.listing}>
      <title>{`${title} · Sidecart`}</title>
      <div className={styles.head}>
        {path.length > 1 && <Breadcrumbs path={path.slice(0, -1)} here={path.at(-1)?.name ?? ''} />}
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {!filter.query && path.at(-1)?.description && <p className={styles.lead}>{path.at(-1)?.description}</p>}
          <p role="status" className={styles.count}>
            {first && !list.isPlaceholderData ? `${first.total} ${first.total === 1 ? 'product' : 'products'}` : ' '}
          </p>
        </div>
        <div className={styles.tools}>
          <FilterDrawer filter={chosen} facets={first?.facets} total={first?.total} onChange={change} />
          <label className={styles.sort}>
            <span>Sort by</span>
            <select value={chosen.sort ?? 'relevance'} onChange={(event) => change(changeFilter(chosen, { sort: sorts.find((sort) => sort !== 'relevance' && sort === event.target.value) }))}>
              {sorts.map((sort) => (
                <option key={sort} value={sort}>
                  {sort === 'relevance' && !filter.query ? 'Featured' : sortNames[sort]}
                </option>
              ))}
            </select>
          </label>
        </div>
        <Narrowings filter={filter} categoryName={path.at(-1)?.name} onRemove={() => heading.current?.focus({ preventScroll: true })} />
      </div>

      <aside aria-label="Filters" className={styles.filters}>
        <Filters filter={chosen} facets={first?.facets} onChange={change} />
      </aside>

      <div className={styles.results}>
        {list.isError ? (
          <Message title="The products could not be loaded" action={<Button onClick={() => void list.refetch()}>Try again</Button>}>
            {sentence(list.error)}
          </Message>
        ) : !shown ? (
          <ProductGridSkeleton count={pageSize} />
        ) : shown.length === 0 ? (
          <NothingFound filter={filter} />
        ) : (
          <>
            {first?.correction && filter.query && <Correction typed={filter.query} found={first.correction} />}
            <h2 className="visually-hidden">Products</h2>
            <div ref={grid}>
              <ProductGrid products={shown} eager={8} dim={list.isPlaceholderData} />
            </div>
            {list.hasNextPage && (
              <div className={styles.more}>
                <p>
                  {shown.length} of {first?.total} shown
                </p>
                <progress max={first?.total} value={shown.length} aria-hidden />
                <Button look="secondary" busy={list.isFetchingNextPage} onClick={() => void loadMore()}>
                  Load more
                </Button>
              </div>
            )}
          </>
        )}
      </div>
    </div>
  )
}

/** What the list is narrowed by, each with a way out. */
function Narrowings({ filter, categoryName, onRemove }: { filter: Filter; categoryName: string | undefined; onRemove: () => void }) {
  const currency = useCurrency()
  const list = narrowings(filter)
  const kept = changeFilter({}, { query: filter.query, sort: filter.sort })
  // The category alone is what the page is about, and its title says so.
  if (list.every(({ name }) => name === 'category')) return null
  return (
    <ul aria-label="Active filters" className={styles.chips}>
      {list.map(({ name, value, without }) => {
        const words = narrowingWords(name, value, filter, currency, categoryName ?? value)
        return (
          <li key={`${name} ${value}`}>
            <Link to={{ search: writeFilter(without, currency).toString() }} aria-label={`Remove filter: ${words}`} preventScrollReset onClick={onRemove}>
              {words}
              <CrossIcon />
            </Link>
          </li>
        )
      })}
      <li>
        <Link to={{ search: writeFilter(kept, currency).toString() }} className={styles.clear} preventScrollReset onClick={onRemove}>
          Clear all
        </Link>
      </li>
    </ul>
  )
}

/** The filters of a small screen, behind a button. */
function FilterDrawer({ filter, facets, total, onChange }: { filter: Filter; facets: ProductList['facets'] | undefined; total: number | undefined; onChange: (filter: Filter) => void }) {
  const [open, setOpen] = useState(false)
  const active = narrowings(filter).length
  return (
    <div className={styles.drawer}>
      <Button look="secondary" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <SlidersIcon />
        Filters{active > 0 && ` (${active})`}
      </Button>
      {open && (
        <Dialog title="Filters" side onClose={() => setOpen(false)}>
          <Filters filter={filter} facets={facets} onChange={onChange} />
          <DialogActions>
            <Button onClick={() => setOpen(false)}>{total === undefined ? 'Show products' : `Show ${total} ${total === 1 ? 'product' : 'products'}`}</Button>
            {active > 0 && (
              <Button look="quiet" onClick={() => onChange(changeFilter({}, { query: filter.query, sort: filter.sort }))}>
                Clear all
              </Button>
            )}
          </DialogActions>
        </Dialog>
      )}
    </div>
  )
}

/** Says that other words were searched for than those typed, which find nothing. */
function Correction({ typed, found }: { typed: string; found: string }) {
  return (
    <div role="status" className={styles.correction}>
      <Notice tone="good">
        Nothing is called “{typed}”. You see what was found for{' '}
        <Link to={paths.products({ query: found })}>
          <strong>{found}</strong>
        </Link>
        .
      </Notice>
    </div>
  )
}

function NothingFound({ filter }: { filter: Filter }) {
  const currency = useCurrency()
  const narrowed = narrowings(filter).length > 0
  const words = changeFilter({}, { query: filter.query })
  return (
    <Message
      title="Nothing found"
      action={
        <>
          {narrowed && filter.query && <ButtonLink to={{ search: writeFilter(words, currency).toString() }}>Search without filters</ButtonLink>}
          <ButtonLink to={paths.products()} look={narrowed && filter.query ? 'secondary' : 'primary'}>
            Show all products
          </ButtonLink>
        </>
      }
    >
      {narrowed ? 'Nothing fits all of your filters. Take one away.' : 'Try fewer or other words.'}
    </Message>
  )
}

function titleOf({ query, category, brand }: Filter, categoryName: string | undefined): string {
  if (query) return `Results for “${query}”`
  if (category) return categoryName ?? 'Products'
  return brand?.length === 1 && brand[0] ? brand[0] : 'All products'
}

function withPages(search: URLSearchParams, pages: number): URLSearchParams {
  const next = new URLSearchParams(search)
  next.set('pages', String(pages))
  return next
}
