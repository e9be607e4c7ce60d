import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { call } from '@/api/client'
import { useCurrency } from '@/api/currency'
import type { Basket } from '@/api/types'

/** The most pieces of one thing that a basket takes. */
export const maxQuantity = 99

export const basketQuery = (currency: string) =>
  queryOptions({
    queryKey: ['basket', currency],
    queryFn: ({ signal }) => call('get', '/api/v1/basket', { query: { currency }, signal }),
  })

interface Change {
  sku: string
  /** 0 takes the line out. */
  quantity: number
}

/**
 * Sets how many of a thing are in the basket. The new number shows at once and goes back if the shop refuses it; amounts wait for
 * the answer. Changes run one after another, so that the last one wins.
 */
export function useChangeBasket() {
  const client = useQueryClient()
  const currency = useCurrency()
  const { queryKey } = basketQuery(currency)
  return useMutation({
    mutationKey: ['basket', 'change'],
    scope: { id: 'basket' },
    mutationFn: ({ sku, quantity }: Change) => put(sku, quantity, currency),
    onMutate: async ({ sku, quantity }) => {
      await client.cancelQueries({ queryKey: ['basket'] })
      const before = client.getQueryData(queryKey)
      if (before) client.setQueryData(queryKey, withQuantity(before, sku, quantity))
      return before
    },
    onSuccess: (basket) => {
      // An older answer must not undo what a change that still waits already shows.
      if (client.isMutating({ mutationKey: ['basket', 'change'] }) === 1) client.setQueryData(queryKey, basket)
    },
    onError: (_error, _change, before) => {
      if (before) client.setQueryData(queryKey, before)
      void client.invalidateQueries({ queryKey: ['basket'] })
    },
  })
}

/** Puts pieces into the basket on top of what is there already. */
export function useAddToBasket() {
  const client = useQueryClient()
  const currency = useCurrency()
  const { queryKey } = basketQuery(currency)
  return useMutation({
    mutationKey: ['basket', 'add'],
    scope: { id: 'basket' },
    mutationFn: async (items: Change[]) => {
      let basket = await call('get', '/api/v1/basket', { query: { currency } })
      for (const { sku, quantity } of items) {
        const there = basket.lines.find((line) => line.sku === sku)?.quantity ?? 0
        // One after another: each change is made to the basket that the one before left.
        // oxlint-disable-next-line no-await-in-loop
        basket = await put(sku, Math.min(there + quantity, maxQuantity), currency)
      }
      return basket
    },
    onSuccess: (basket) => client.setQueryData(queryKey, basket),
  })
}

/** Sets the basket's coupon; null takes it away. */
export function useCoupon() {
  const client = useQueryClient()
  const currency = useCurrency()
  return useMutation({
    mutationKey: ['basket', 'coupon'],
    scope: { id: 'basket' },
    mutationFn: (code: string | null) =>
      code === null ? call('delete', '/api/v1/basket/coupon', { query: { currency } }) : call('put', '/api/v1/basket/coupon', { query: { currency }, body: { code } }),
    onSuccess: async (basket) => {
      // A look at the basket that began before must not bring the old coupon back.
      await client.cancelQueries({ queryKey: ['basket'] })
      client.setQueryData(basketQuery(currency).queryKey, basket)
    },
  })
}

function put(sku: string, quantity: number, currency: string): Promise<Basket> {
  const where = { path: { sku }, query: { currency } }
  return quantity === 0 ? call('delete', '/api/v1/basket/items/{sku}', where) : call('put', '/api/v1/basket/items/{sku}', { ...where, body: { quantity } })
}

/** The basket with another number of one thing; its amounts are still those of before. */
export function withQuantity(basket: Basket, sku: string, quantity: number): Basket {
  const lines = basket.lines.map((line) => (line.sku === sku ? { ...line, quantity } : line)).filter((line) => line.quantity > 0)
  return { ...basket, lines, count: lines.reduce((pieces, line) => pieces + line.quantity, 0) }
}
