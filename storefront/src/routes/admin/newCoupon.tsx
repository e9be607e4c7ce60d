import { useNavigate, type LoaderFunctionArgs } from 'react-router'
import styles from '@/features/admin/admin.module.css'
import { CouponForm } from '@/features/admin/CouponForm'
import { paths } from '@/paths'
import { useToast } from '@/ui/Toast'
import { requireAdmin } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireAdmin(request)
  return null
}

export function Component() {
  const navigate = useNavigate()
  const toast = useToast()

  function done(code: string) {
    toast({ text: `${code} can be used.` })
    void navigate(paths.admin.coupons)
  }

  return (
    <div className={styles.page}>
      <title>New coupon · Back office</title>
      <h1>New coupon</h1>
      <CouponForm onDone={done} />
    </div>
  )
}
