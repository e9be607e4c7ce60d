import { useSuspenseQueries } from '@tanstack/react-query'
import { useLoaderData } from 'react-router'
import { currentCurrency, useCurrency } from '@/api/currency'
import { queryClient } from '@/api/queryClient'
import { addressesQuery, meQuery } from '@/features/account/queries'
import { CouponField } from '@/features/basket/CouponField'
import { basketQuery } from '@/features/basket/queries'
import { Checkout } from '@/features/checkout/Checkout'
import { usualPayments } from '@/features/checkout/payment'
import { paymentMethodsQuery } from '@/features/checkout/queries'
import styles from './page.module.css'

export async function loader() {
  // Prices and contents as they are now, not as some page showed them a while ago.
  void queryClient.prefetchQuery({ ...basketQuery(currentCurrency()), staleTime: 0 })
  const offers = queryClient.ensureQueryData(paymentMethodsQuery).catch(() => usualPayments)
  const user = await queryClient.ensureQueryData(meQuery)
  const [addresses, offered] = await Promise.all([user ? queryClient.ensureQueryData(addressesQuery).then(({ value }) => value) : [], offers])
  return { addresses, offered }
}

export function Component() {
  const { addresses, offered } = useLoaderData<typeof loader>()
  const [{ data: basket }, { data: user }] = useSuspenseQueries({ queries: [basketQuery(useCurrency()), meQuery] })
  return (
    <div className={styles.page}>
      <title>Checkout · Sidecart</title>
      <h1>Checkout</h1>
      <Checkout basket={basket} user={user} addresses={addresses} offered={offered} coupon={<CouponField basket={basket} />} />
    </div>
  )
}
