import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { useParams, type LoaderFunctionArgs } from 'react-router'
import { currentCurrency } from '@/api/currency'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import { WishButton } from '@/features/account/WishButton'
import { AddToBasket } from '@/features/basket/AddToBasket'
import { ProductDetail, ProductDetailSkeleton } from '@/features/catalog/ProductDetail'
import { productQuery, relatedQuery } from '@/features/catalog/queries'
import { RecentlyViewed } from '@/features/catalog/RecentlyViewed'
import { RelatedProducts } from '@/features/catalog/Shelf'
import { reviewsQuery } from '@/features/reviews/queries'
import { Skeleton } from '@/ui/Skeleton'
import styles from './page.module.css'

const loadReviews = () => import('@/features/reviews/Reviews')
const Reviews = lazy(async () => ({ default: (await loadReviews()).Reviews }))

export function loader({ params: { slug = '' } }: LoaderFunctionArgs) {
  void queryClient.prefetchQuery(productQuery(slug, currentCurrency()))
  void queryClient.prefetchQuery(relatedQuery(slug, currentCurrency()))
  void queryClient.prefetchInfiniteQuery(reviewsQuery(slug, 'newest'))
  // They stand further down: the product does not wait for their code.
  void loadReviews()
  return null
}

export function Component() {
  const { slug = '' } = useParams()
  const { data: user } = useQuery(meQuery)
  return (
    <Suspense key={slug} fallback={<ProductDetailSkeleton />}>
      <ProductDetail
        slug={slug}
        purchase={({ sku, available, stock }, { name }) => (
          <>
            <AddToBasket key={sku} sku={sku} name={name} available={available !== false} stock={stock} />
            <WishButton sku={sku} name={name} />
          </>
        )}
        more={({ name }) => (
          <div className={styles.sections}>
            <Suspense fallback={<Skeleton shape="block" />}>
              <Reviews slug={slug} name={name} user={user} />
            </Suspense>
            <RelatedProducts slug={slug} limit={4} />
            <RecentlyViewed slug={slug} />
          </div>
        )}
      />
    </Suspense>
  )
}
