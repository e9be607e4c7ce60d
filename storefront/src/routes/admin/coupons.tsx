import type { LoaderFunctionArgs } from 'react-router'
import styles from '@/features/admin/admin.module.css'
import { Coupons } from '@/features/admin/Coupons'
import { paths } from '@/paths'
import { ButtonLink } from '@/ui/Button'
import { requireAdmin } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireAdmin(request)
  return null
}

export function Component() {
  return (
    <div className={styles.page}>
      <title>Coupons · Back office</title>
      <div className={styles.head}>
        <h1>Coupons</h1>
        <ButtonLink to={paths.admin.newCoupon}>New coupon</ButtonLink>
      </div>
      <Coupons />
    </div>
  )
}
