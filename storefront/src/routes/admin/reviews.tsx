import { useSuspenseQuery } from '@tanstack/react-query'
import type { LoaderFunctionArgs } from 'react-router'
import { meQuery } from '@/features/account/queries'
import styles from '@/features/admin/admin.module.css'
import { ReviewQueue } from '@/features/admin/ReviewQueue'
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
      <title>Reviews · Back office</title>
      <h1>Reviews</h1>
      <ReviewQueue mayAct={isAdmin(user)} />
    </div>
  )
}
