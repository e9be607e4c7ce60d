import { useSuspenseQuery } from '@tanstack/react-query'
import { useParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import styles from '@/features/admin/admin.module.css'
import { ProductHistory } from '@/features/admin/AuditTrail'
import { productQuery } from '@/features/admin/catalogQueries'
import { paths } from '@/paths'
import { ButtonLink } from '@/ui/Button'
import { requireStaff } from './requireStaff'

export async function loader({ params: { id = '' }, request }: LoaderFunctionArgs) {
  await requireStaff(request)
  void queryClient.prefetchQuery(productQuery(id))
  return null
}

export function Component() {
  const { id = '' } = useParams()
  const { data: product } = useSuspenseQuery(productQuery(id))
  return (
    <div className={styles.page}>
      <title>{`History of ${product.name} · Back office`}</title>
      <div className={styles.head}>
        <h1>History of {product.name}</h1>
        <ButtonLink look="secondary" to={paths.admin.product(id)}>
          Back to the product
        </ButtonLink>
      </div>
      <ProductHistory id={id} />
    </div>
  )
}
