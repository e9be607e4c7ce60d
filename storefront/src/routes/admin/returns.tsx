import type { LoaderFunctionArgs } from 'react-router'
import styles from '@/features/admin/admin.module.css'
import { ReturnsQueue } from '@/features/admin/ReturnsQueue'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  return (
    <div className={styles.page}>
      <title>Returns · Back office</title>
      <h1>Returns</h1>
      <ReturnsQueue />
    </div>
  )
}
