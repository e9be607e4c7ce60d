import { useSuspenseQuery } from '@tanstack/react-query'
import { useParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import { StockItem } from '@/features/admin/StockItem'
import { movementsQuery, reservationsQuery, stockItemQuery } from '@/features/admin/stockQueries'
import { isAdmin } from '@/features/admin/words'
import { requireStaff } from './requireStaff'

export async function loader({ params: { sku = '' }, request }: LoaderFunctionArgs) {
  await requireStaff(request)
  void queryClient.prefetchQuery(stockItemQuery(sku))
  void queryClient.prefetchQuery(reservationsQuery(sku))
  void queryClient.prefetchQuery(movementsQuery(sku, undefined))
  return null
}

export function Component() {
  const { sku = '' } = useParams()
  const { data: user } = useSuspenseQuery(meQuery)
  return <StockItem key={sku} sku={sku} mayAct={isAdmin(user)} />
}
