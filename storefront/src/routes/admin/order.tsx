import { useParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { OrderPage } from '@/features/admin/OrderPage'
import { orderQuery, traceQuery } from '@/features/admin/queries'
import { requireStaff } from './requireStaff'

export async function loader({ params: { id = '' }, request }: LoaderFunctionArgs) {
  await requireStaff(request)
  void queryClient.prefetchQuery(orderQuery(id))
  void queryClient.prefetchQuery(traceQuery(id))
  return null
}

export function Component() {
  const { id = '' } = useParams()
  return <OrderPage key={id} id={id} />
}
