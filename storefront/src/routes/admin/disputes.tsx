import type { LoaderFunctionArgs } from 'react-router'
import styles from '@/features/admin/admin.module.css'
import { Disputes } from '@/features/admin/Disputes'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  return (
    <div className={styles.page}>
      <title>Disputes · Back office</title>
      <h1>Disputes</h1>
      <Disputes />
    </div>
  )
}
