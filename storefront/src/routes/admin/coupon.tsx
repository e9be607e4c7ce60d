import { useSuspenseQuery } from '@tanstack/react-query'
import { useNavigate, useParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import styles from '@/features/admin/admin.module.css'
import { CouponForm } from '@/features/admin/CouponForm'
import { couponQuery } from '@/features/admin/queries'
import { paths } from '@/paths'
import { useToast } from '@/ui/Toast'
import { requireAdmin } from './requireStaff'

export async function loader({ params: { code = '' }, request }: LoaderFunctionArgs) {
  await requireAdmin(request)
  // The form is filled once, so with the coupon as it is now.
  await queryClient.fetchQuery({ ...couponQuery(code), staleTime: 0 })
  return null
}

export function Component() {
  const { code = '' } = useParams()
  const { data: coupon } = useSuspenseQuery(couponQuery(code))
  const navigate = useNavigate()
  const toast = useToast()

  function done() {
    toast({ text: `${code} is saved.` })
    void navigate(paths.admin.coupons)
  }

  return (
    <div className={styles.page}>
      <title>{`Coupon ${code} · Back office`}</title>
      <h1>Coupon {code}</h1>
      <CouponForm key={code} coupon={coupon} onDone={done} />
    </div>
  )
}
