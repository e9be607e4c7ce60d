import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { call, isRefusal, isTemporary } from '@/api/client'
import { retryDelay } from '@/api/queryClient'
import type { Address, Basket, CheckoutRequest, ShippingMethodId } from '@/api/types'
import { Attempts, contents, placeOrder } from './attempt'

export const attempts = new Attempts(sessionStorage)

/** What can be paid with. It hardly ever changes, and a checkout that cannot ask goes on with the usual. */
export const paymentMethodsQuery = queryOptions({
  queryKey: ['payment-methods'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/checkout/payment-methods', { signal })).items,
  staleTime: 300_000,
})

/** What the basket costs at an address. Asked again when what decides the price changes, not at every letter. */
export const quoteQuery = (basket: Basket, address: Address, shippingMethod: ShippingMethodId) =>
  queryOptions({
    queryKey: ['quote', contents(basket), basket.currency, address.country, address.region, address.postalCode, shippingMethod, basket.coupon?.code],
    queryFn: async ({ signal }) => call('post', '/api/v1/checkout/quote', { body: { address, shippingMethod, currency: basket.currency }, signal }),
    placeholderData: keepPreviousData,
    enabled: basket.lines.length > 0,
  })

/** Places the order. A lost or late answer is asked for again with the same key before the customer hears of it. */
export function usePlaceOrder() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ basket, body }: { basket: string; body: CheckoutRequest }) =>
      placeOrder(attempts, basket, body, async (key, sent) => (await call('post', '/api/v1/checkout', { body: sent, headers: { 'Idempotency-Key': key } })).order),
    retry: (tries, error) => tries < 3 && isTemporary(error),
    retryDelay,
    onSuccess: (order) => {
      client.setQueryData(['order', order.id], order)
      void client.invalidateQueries({ queryKey: ['orders'] })
      void client.invalidateQueries({ queryKey: ['basket'] })
    },
    onError: (error) => {
      // Prices, stock or the coupon may be others than this page shows.
      if (!isRefusal(error)) return
      void client.invalidateQueries({ queryKey: ['basket'] })
      void client.invalidateQueries({ queryKey: ['quote'] })
    },
  })
}
