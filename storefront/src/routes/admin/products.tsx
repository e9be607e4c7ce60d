import { useSuspenseQuery } from '@tanstack/react-query'
import type { LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import styles from '@/features/admin/admin.module.css'
import { categoriesQuery } from '@/features/admin/catalogQueries'
import { Products } from '@/features/admin/Products'
import { isAdmin } from '@/features/admin/words'
import { paths } from '@/paths'
import { ButtonAnchor, ButtonLink } from '@/ui/Button'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  void queryClient.prefetchQuery(categoriesQuery)
  return null
}

export function Component() {
  const { data: user } = useSuspenseQuery(meQuery)
  return (
    <div className={styles.page}>
      <title>Products · Back office</title>
      <div className={styles.head}>
        <h1>Products</h1>
        <div className={styles.actions}>
          <ButtonAnchor look="secondary" href="/api/v1/admin/products/export" download>
            Export as CSV
          </ButtonAnchor>
          {isAdmin(user) && <ButtonLink to={paths.admin.newProduct}>New product</ButtonLink>}
        </div>
      </div>
      <Products />
    </div>
  )
}
