import { Link } from 'react-router'
import { sized } from '@/api/images'
import type { ProductSummary } from '@/api/types'
import { paths } from '@/paths'
import { Money } from '@/ui/Money'
import { Picture } from '@/ui/Picture'
import { Rating } from '@/ui/Rating'
import { Skeleton } from '@/ui/Skeleton'
import styles from './ProductGrid.module.css'

/** Products as cards. The first `eager` pictures are fetched at once. */
export function ProductGrid({ products, eager = 0, dim = false }: { products: ProductSummary[]; eager?: number; dim?: boolean }) {
  return (
    <ul className={styles.grid} data-dim={dim || undefined}>
      {products.map((product, index) => (
        <ProductCard key={product.id} product={product} eager={index < eager} />
      ))}
    </ul>
  )
}

function ProductCard({ product, eager }: { product: ProductSummary; eager: boolean }) {
  const { slug, name, brand, image, price, rating, reviews, available, variants, highlights = [] } = product
  const found = (field: string) => highlights.find((highlight) => highlight.field === field)?.parts
  const from = variants.some((variant) => variant.price.amount !== price.amount)
  return (
    <li>
      <article className={styles.card}>
        <Picture {...sized(image)} tint={slug} eager={eager} />
        <div className={styles.text}>
          <p className={styles.brand}>{brand}</p>
          <h3 className={styles.name}>
            <Link to={paths.product(slug)}>
              <Found parts={found('name')} otherwise={name} />
            </Link>
          </h3>
          {found('description') && (
            <p className={styles.snippet}>
              <Found parts={found('description')} otherwise="" />
            </p>
          )}
          <div className={styles.foot}>
            <p className={styles.price}>
              {from && <span className={styles.from}>from </span>}
              <Money value={price} />
            </p>
            {rating > 0 && <Rating value={rating} count={reviews || undefined} short />}
          </div>
        </div>
        {available === false && <p className={styles.flag}>Sold out</p>}
      </article>
    </li>
  )
}

/** A text with the words marked that were searched for. */
function Found({ parts, otherwise }: { parts: { text: string; match: boolean }[] | undefined; otherwise: string }) {
  if (!parts) return otherwise
  // Parts have no names of their own, and never change places.
  // oxlint-disable-next-line react/no-array-index-key
  return parts.map(({ text, match }, index) => (match ? <mark key={index}>{text}</mark> : <span key={index}>{text}</span>))
}

/** The shape of a grid that is on its way. */
export function ProductGridSkeleton({ count }: { count: number }) {
  return (
    <div role="status">
      <span className="visually-hidden">Loading products</span>
      <div className={styles.grid}>
        {Array.from({ length: count }, (_, index) => (
          <div key={index} className={styles.card}>
            <Skeleton shape="tile" />
            <div className={styles.text}>
              <Skeleton width="40%" />
              <Skeleton width="80%" />
              <Skeleton width="30%" />
            </div>
          </div>
        ))}
      </div>
    </div>
  )
}
