import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from '@/api/client'
import type { Currency } from '@/api/currency'
import { meQuery } from './queries'

/** What the customer would like to have, with prices in the currency. */
export const wishlistQuery = (currency: Currency) =>
  queryOptions({
    queryKey: ['wishlist', currency],
    queryFn: async ({ signal }) => (await call('get', '/api/v1/account/wishlist', { query: { currency }, signal })).items,
  })

/** Whether something is on the list; undefined while nobody is signed in, or it is not known yet. */
export function useWished(sku: string, currency: Currency): boolean | undefined {
  const { data: user } = useQuery(meQuery)
  const { data: wishes } = useQuery({ ...wishlistQuery(currency), enabled: Boolean(user) })
  return user ? wishes?.some((wish) => wish.sku === sku) : undefined
}

/** Puts something on the list, or takes it off. */
export function useWish() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ sku, wanted }: { sku: string; wanted: boolean }) => call(wanted ? 'put' : 'delete', '/api/v1/account/wishlist/{sku}', { path: { sku } }),
    onSettled: () => client.invalidateQueries({ queryKey: ['wishlist'] }),
  })
}
