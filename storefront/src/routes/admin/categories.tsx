import { useSuspenseQuery } from '@tanstack/react-query'
import type { LoaderFunctionArgs } from 'react-router'
import { meQuery } from '@/features/account/queries'
import styles from '@/features/admin/admin.module.css'
import { Categories } from '@/features/admin/Categories'
import { isAdmin } from '@/features/admin/words'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  const { data: user } = useSuspenseQuery(meQuery)
  return (
    <div className={styles.page}>
      <title>Categories · Back office</title>
      <h1>Categories</h1>
      <Categories mayAct={isAdmin(user)} />
    </div>
  )
}
