import { queryClient } from '@/api/queryClient'
import { OrderList } from '@/features/orders/OrderList'
import { ordersQuery } from '@/features/orders/queries'
import styles from './page.module.css'
import { ofUser } from './requireUser'

export const loader = ofUser(() => {
  void queryClient.prefetchInfiniteQuery({ ...ordersQuery, staleTime: 0 })
})

export function Component() {
  return (
    <div className={styles.page}>
      <title>Your orders · Sidecart</title>
      <h1>Your orders</h1>
      <OrderList />
    </div>
  )
}
