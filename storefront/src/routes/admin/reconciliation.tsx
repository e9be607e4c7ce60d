import type { LoaderFunctionArgs } from 'react-router'
import styles from '@/features/admin/admin.module.css'
import { Reconciliation } from '@/features/admin/Reconciliation'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  return (
    <div className={styles.page}>
      <title>Reconciliation · Back office</title>
      <h1>Reconciliation</h1>
      <Reconciliation />
    </div>
  )
}
