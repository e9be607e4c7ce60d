import { replace, useParams, useSearchParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { BuyAgain } from '@/features/basket/BuyAgain'
import { attempts } from '@/features/checkout/queries'
import { OrderView } from '@/features/orders/OrderView'
import { orderQuery } from '@/features/orders/queries'
import { paths } from '@/paths'

export function loader({ params: { id = '' }, request }: LoaderFunctionArgs) {
  const search = new URL(request.url).searchParams
  // Bank and PayPal send customers back with the payment's own secrets in the address, which are no business of the history's.
  // PayPal names the payer of a payment that was approved, and only then.
  if (search.has('payment_intent')) return replace(paths.order(id))
  if (search.has('token')) return replace(`${paths.order(id)}?payment=${search.has('PayerID') ? 'approved' : 'cancelled'}`)
  void queryClient.prefetchQuery(orderQuery(id))
  return null
}

export function Component() {
  const { id = '' } = useParams()
  const [search] = useSearchParams()
  const atPayPal = (['approved', 'cancelled'] as const).find((answer) => answer === search.get('payment'))
  return <OrderView key={id} id={id} atPayPal={atPayPal} again={({ lines }) => <BuyAgain lines={lines} onAdded={() => attempts.forget()} />} />
}
