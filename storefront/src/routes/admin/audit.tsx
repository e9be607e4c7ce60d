import type { LoaderFunctionArgs } from 'react-router'
import styles from '@/features/admin/admin.module.css'
import { AuditTrail } from '@/features/admin/AuditTrail'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  return (
    <div className={styles.page}>
      <title>Changes · Back office</title>
      <h1>Changes</h1>
      <AuditTrail />
    </div>
  )
}
