import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { call, isTemporary } from '@/api/client'
import { retryDelay } from '@/api/queryClient'
import type { DeadLetter, Money, ReturnStatus } from '@/api/types'
import { useWish } from '@/api/wish'
import { couponChange, newCoupon, type CouponInput } from './couponForm'
import type { OrderFilter } from './filter'
import { undelivered } from './trace'

// All keys begin with 'admin', which is forgotten when somebody else signs in.

export const pageSize = 25
/** Milliseconds after which a page that somebody works with looks again. */
const lookAgain = 5_000

export const ordersQuery = (filter: OrderFilter, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'orders', filter, cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/orders', { query: { ...filter, limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const orderQuery = (id: string) =>
  queryOptions({
    queryKey: ['admin', 'order', id],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/orders/{id}', { path: { id }, signal }),
    staleTime: 0,
    refetchInterval: lookAgain,
  })

/** Looks again by itself as long as somebody has not heard what was told. */
export const traceQuery = (id: string) =>
  queryOptions({
    queryKey: ['admin', 'order', id, 'trace'],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/orders/{id}/trace', { path: { id }, signal }),
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data?.items.some((step) => undelivered(step).length > 0) ? lookAgain : false),
  })

export const returnsQuery = (status: ReturnStatus | undefined, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'returns', status, cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/returns', { query: { limit: pageSize, ...(status ? { status } : {}), ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const couponsQuery = (cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'coupons', cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/coupons', { query: { limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const couponQuery = (code: string) =>
  queryOptions({
    queryKey: ['admin', 'coupon', code],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/coupons/{code}', { path: { code }, signal }),
    // A form is filled from it: it must not change under somebody's hands.
    refetchOnWindowFocus: false,
  })

export const deadLettersQuery = queryOptions({
  queryKey: ['admin', 'dead-letters'],
  queryFn: ({ signal }) => call('get', '/api/v1/admin/dead-letters', { signal }),
  staleTime: 0,
})

export const disputesQuery = (cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'disputes', cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/disputes', { query: { limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

/** Asks the payment providers, so it is asked only when somebody wants to know. */
export const reconciliationQuery = (period: { from?: string; to?: string }) =>
  queryOptions({
    queryKey: ['admin', 'reconciliation', period],
    // The report ends at a moment; who names a day means all of it.
    queryFn: ({ signal }) => call('get', '/api/v1/admin/reports/reconciliation', { query: { ...period, ...(period.to ? { to: `${period.to}T23:59:59.999Z` } : {}) }, signal }),
    refetchOnWindowFocus: false,
  })

/** What can be done to an order that may be done twice without harm: the shop's state decides. */
export type OrderAction =
  | { do: 'ship'; carrier: string; trackingNumber: string }
  | { do: 'deliver' }
  | { do: 'cancel'; reason: string }

export function useOrderAction(id: string) {
  const path = { id }
  return useMutation({
    mutationFn: (action: OrderAction) => {
      switch (action.do) {
        case 'ship':
          return call('put', '/api/v1/admin/orders/{id}/shipment', { path, body: { carrier: action.carrier, trackingNumber: action.trackingNumber } })
        case 'deliver':
          return call('put', '/api/v1/admin/orders/{id}/delivery', { path, body: {} })
        case 'cancel':
          return call('put', '/api/v1/admin/orders/{id}/cancellation', { path, body: { reason: action.reason } })
      }
    },
    onSuccess: useLookAgain(),
  })
}

/** Sends money back; without an amount, all that is left. */
export function useRefund(id: string) {
  const wish = useWish()
  return useMutation({
    mutationFn: (body: { amount?: Money; reason: string }) => wish.send((headers) => call('post', '/api/v1/admin/orders/{id}/refunds', { path: { id }, body, headers })),
    retry: (tries, error) => tries < 3 && isTemporary(error),
    retryDelay,
    onSuccess: useLookAgain(),
  })
}

export function useAddNote(id: string) {
  const wish = useWish()
  return useMutation({
    mutationFn: (text: string) => wish.send((headers) => call('post', '/api/v1/admin/orders/{id}/notes', { path: { id }, body: { text }, headers })),
    onSuccess: useLookAgain(),
  })
}

export interface Decision {
  status: 'approved' | 'rejected' | 'received'
  note?: string
  restock?: boolean
}

export function useDecideReturn(id: string) {
  return useMutation({
    mutationFn: (body: Decision) => call('patch', '/api/v1/admin/returns/{id}', { path: { id }, body }),
    onSuccess: useLookAgain(),
  })
}

/** Makes a coupon, or changes the one of the given code. */
export function useSaveCoupon(code: string | undefined) {
  const wish = useWish()
  return useMutation({
    mutationFn: (input: CouponInput) =>
      code === undefined
        ? wish.send((headers) => call('post', '/api/v1/admin/coupons', { body: newCoupon(input), headers }))
        : call('patch', '/api/v1/admin/coupons/{code}', { path: { code }, body: couponChange(input) }),
    onSuccess: useLookAgain(),
  })
}

/** Coupons are never gone, orders name them; nobody can use this one any more. */
export function useDeactivateCoupon() {
  return useMutation({ mutationFn: (code: string) => call('delete', '/api/v1/admin/coupons/{code}', { path: { code } }), onSuccess: useLookAgain() })
}

export function useReplayDeadLetter() {
  return useMutation({
    mutationFn: ({ service, id }: DeadLetter) => call('post', '/api/v1/admin/dead-letters/{service}/{id}/replay', { path: { service, id } }),
    onSuccess: useLookAgain(),
  })
}

export function useDropDeadLetter() {
  return useMutation({
    mutationFn: ({ service, id }: DeadLetter) => call('delete', '/api/v1/admin/dead-letters/{service}/{id}', { path: { service, id } }),
    onSuccess: useLookAgain(),
  })
}

/** After a change, what is shown is read again, and a dialog waits for it: it closes over the new state. */
export function useLookAgain() {
  const client = useQueryClient()
  return () => client.invalidateQueries({ queryKey: ['admin'] })
}
