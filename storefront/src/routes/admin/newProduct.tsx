import { useSuspenseQuery } from '@tanstack/react-query'
import { useNavigate, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import type { StaffProduct } from '@/api/types'
import styles from '@/features/admin/admin.module.css'
import { categoriesQuery } from '@/features/admin/catalogQueries'
import { NewProduct } from '@/features/admin/ProductEditor'
import { paths } from '@/paths'
import { useToast } from '@/ui/Toast'
import { requireAdmin } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireAdmin(request)
  void queryClient.prefetchQuery(categoriesQuery)
  return null
}

export function Component() {
  const { data: categories } = useSuspenseQuery(categoriesQuery)
  const navigate = useNavigate()
  const toast = useToast()

  function done({ id, name }: StaffProduct) {
    toast({ text: `${name} is in the catalogue.` })
    void navigate(paths.admin.product(id), { replace: true })
  }

  return (
    <div className={styles.page}>
      <title>New product · Back office</title>
      <h1>New product</h1>
      <NewProduct categories={categories} onDone={done} />
    </div>
  )
}
