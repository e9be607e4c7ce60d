import { useQuery } from '@tanstack/react-query'
import { useId, type ReactNode } from 'react'
import { Link } from 'react-router'
import { useCurrency } from '@/api/currency'
import type { ProductSummary } from '@/api/types'
import { paths } from '@/paths'
import { ProductGrid, ProductGridSkeleton } from './ProductGrid'
import { relatedQuery, shelfQuery, type Filter } from './queries'
import styles from './Shelf.module.css'

/** A row of the first products of a list under a heading. It is an extra: if it cannot be loaded, it is left out. */
export function Shelf({ title, filter, limit }: { title: string; filter: Pick<Filter, 'category' | 'sort'>; limit: number }) {
  const { data, isError } = useQuery(shelfQuery(filter, useCurrency(), limit))
  if (isError) return null
  const all = (
    <Link to={paths.products(filter)}>
      See all<span className="visually-hidden">: {title}</span>
    </Link>
  )
  return <ProductShelf title={title} products={data} loading={limit} aside={all} />
}

/** What goes with a product. */
export function RelatedProducts({ slug, limit }: { slug: string; limit: number }) {
  const { data, isError } = useQuery(relatedQuery(slug, useCurrency()))
  if (isError) return null
  return <ProductShelf title="Goes well with it" products={data?.slice(0, limit)} loading={limit} />
}

interface Props {
  title: string
  /** Absent while they are on their way. */
  products: ProductSummary[] | undefined
  /** How many are expected. */
  loading?: number
  aside?: ReactNode
}

/** Products in a row under a heading; nothing if there are none. */
export function ProductShelf({ title, products, loading = 0, aside }: Props) {
  const heading = useId()
  if (products?.length === 0) return null
  return (
    <section aria-labelledby={heading} className={styles.shelf}>
      <div className={styles.head}>
        <h2 id={heading}>{title}</h2>
        {aside}
      </div>
      {products ? <ProductGrid products={products} /> : <ProductGridSkeleton count={loading} />}
    </section>
  )
}
