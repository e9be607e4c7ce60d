import type { LoaderFunctionArgs } from 'react-router'
import styles from '@/features/admin/admin.module.css'
import { Orders } from '@/features/admin/Orders'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  return (
    <div className={styles.page}>
      <title>Orders · Back office</title>
      <h1>Orders</h1>
      <Orders />
    </div>
  )
}
