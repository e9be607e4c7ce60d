import { useSuspenseQueries } from '@tanstack/react-query'
import { useParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import styles from '@/features/admin/admin.module.css'
import { categoriesQuery, productQuery } from '@/features/admin/catalogQueries'
import { ProductEditor } from '@/features/admin/ProductEditor'
import { isAdmin, productWords } from '@/features/admin/words'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { ButtonLink } from '@/ui/Button'
import { requireStaff } from './requireStaff'

export async function loader({ params: { id = '' }, request }: LoaderFunctionArgs) {
  await requireStaff(request)
  void queryClient.prefetchQuery(categoriesQuery)
  // The form is filled once, so with the product as it is now.
  await queryClient.fetchQuery({ ...productQuery(id), staleTime: 0 })
  return null
}

export function Component() {
  const { id = '' } = useParams()
  const [{ data: product }, { data: categories }, { data: user }] = useSuspenseQueries({ queries: [productQuery(id), categoriesQuery, meQuery] })
  const { name, slug, status } = product
  return (
    <div className={styles.page}>
      <title>{`${name} · Back office`}</title>
      <div className={styles.head}>
        <div className={styles.title}>
          <h1>{name}</h1>
          <Badge tone={productWords[status].tone}>{productWords[status].name}</Badge>
        </div>
        <div className={styles.actions}>
          {status === 'active' && (
            <ButtonLink look="secondary" to={paths.product(slug)}>
              See it in the shop
            </ButtonLink>
          )}
          <ButtonLink look="secondary" to={paths.admin.productHistory(id)}>
            History
          </ButtonLink>
        </div>
      </div>
      <ProductEditor key={id} product={product} categories={categories} readOnly={!isAdmin(user)} />
    </div>
  )
}
