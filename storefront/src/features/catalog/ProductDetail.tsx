import { useSuspenseQuery } from '@tanstack/react-query'
import { startTransition, useOptimistic, type ReactNode } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { useCurrency } from '@/api/currency'
import type { Product, Variant } from '@/api/types'
import { paths } from '@/paths'
import { Money } from '@/ui/Money'
import { Rating } from '@/ui/Rating'
import { Skeleton } from '@/ui/Skeleton'
import { Breadcrumbs } from './Breadcrumbs'
import { Gallery } from './Gallery'
import { optionsOf } from './options'
import { productQuery } from './queries'
import { capital } from './words'
import styles from './ProductDetail.module.css'

interface Props {
  slug: string
  /** How the chosen variant is bought. */
  purchase: (variant: Variant, product: Product) => ReactNode
  /** What stands under the product. */
  more: (product: Product) => ReactNode
}

/** Everything about one product. The chosen variant stands in the URL. */
export function ProductDetail({ slug, purchase, more }: Props) {
  const { data: product } = useSuspenseQuery(productQuery(slug, useCurrency()))
  const [search] = useSearchParams()
  const navigate = useNavigate()
  const named =
    product.variants.find(({ sku }) => sku === search.get('variant')) ?? product.variants.find(({ available }) => available !== false) ?? product.variants[0]
  if (!named) throw new Error(`product ${slug} has no variant`)
  // The choice shows at once, while the URL follows.
  const [variant, show] = useOptimistic(named)

  function choose(next: Variant) {
    const query = new URLSearchParams(search)
    query.set('variant', next.sku)
    startTransition(async () => {
      show(next)
      await navigate({ search: query.toString() }, { replace: true, preventScrollReset: true })
    })
  }

  return (
    <>
      <title>{`${product.name} · Sidecart`}</title>
      <div className={styles.crumbs}>
        <Breadcrumbs path={product.categoryPath ?? []} here={product.name} />
      </div>
      <article className={styles.product}>
        <Gallery key={slug} images={product.images?.length ? product.images : [product.image]} name={product.name} tint={slug} />
        <div className={styles.buy}>
          <div>
            <p className={styles.brand}>
              <Link to={paths.products({ brand: product.brand })}>{product.brand}</Link>
            </p>
            <h1>{product.name}</h1>
          </div>
          {product.rating > 0 && (
            <Link to={{ search: search.toString(), hash: 'reviews' }} className={styles.rating}>
              <Rating value={product.rating} count={product.reviews || undefined} />
            </Link>
          )}
          <p className={styles.price}>
            <Money value={variant.price} />
          </p>
          {product.variants.length > 1 && <VariantChoice variants={product.variants} chosen={variant} onChoose={choose} />}
          <Availability variant={variant} />
          {purchase(variant, product)}
          <p className={styles.promise}>Shipping and tax are shown before you pay.</p>
        </div>
        <div className={styles.words}>
          {product.description && (
            <section>
              <h2>About it</h2>
              <p className={styles.description}>{product.description}</p>
            </section>
          )}
          <Attributes product={product} />
        </div>
      </article>
      {more(product)}
    </>
  )
}

function VariantChoice({ variants, chosen, onChoose }: { variants: Variant[]; chosen: Variant; onChoose: (variant: Variant) => void }) {
  return optionsOf(variants, chosen).map(({ name, values }) => (
    <fieldset key={name} className={styles.variants}>
      <legend>{capital(name)}</legend>
      <div>
        {values.map(({ value, variant, changes }) => {
          const soldOut = variant.available === false
          return (
            <label key={value} data-sold-out={soldOut || undefined} data-elsewhere={changes.length > 0 || undefined}>
              <input type="radio" name={name} value={value} checked={variant.sku === chosen.sku} onChange={() => onChoose(variant)} />
              <span>
                {capital(value)}
                {changes.length > 0 && <span className="visually-hidden"> (with another {changes.map(capital).join(' and ')})</span>}
                {soldOut && <span className="visually-hidden"> (sold out)</span>}
              </span>
            </label>
          )
        })}
      </div>
    </fieldset>
  ))
}

function Availability({ variant: { available, stock } }: { variant: Variant }) {
  const [state, words] =
    available === false ? ['out', 'Sold out'] : available === undefined ? ['unknown', 'Stock is confirmed at checkout'] : stock !== undefined ? ['few', `Only ${stock} left`] : ['in', 'In stock']
  return (
    <p className={styles.stock} data-state={state}>
      {words}
    </p>
  )
}

function Attributes({ product }: { product: Product }) {
  const attributes = Object.entries(product.attributes ?? {})
  if (attributes.length === 0) return null
  return (
    <section>
      <h2>Details</h2>
      <dl className={styles.attributes}>
        {attributes.map(([name, value]) => (
          <div key={name}>
            <dt>{capital(name)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** The shape of a product page that is on its way. */
export function ProductDetailSkeleton() {
  return (
    <div role="status" className={styles.product}>
      <span className="visually-hidden">Loading product</span>
      <Skeleton shape="tile" />
      <div className={styles.buy}>
        <Skeleton width="30%" />
        <Skeleton shape="title" width="80%" />
        <Skeleton width="40%" />
        <Skeleton shape="title" width="30%" />
        <Skeleton width="60%" />
      </div>
    </div>
  )
}
