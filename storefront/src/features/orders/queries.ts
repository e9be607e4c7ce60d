import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { call, isTemporary } from '@/api/client'
import { follow } from '@/api/events'
import { retryDelay } from '@/api/queryClient'
import type { Line, Order, OrderStatus, ReturnLine } from '@/api/types'
import { useWish } from '@/api/wish'

export const ordersQuery = infiniteQueryOptions({
  queryKey: ['orders'],
  queryFn: ({ pageParam, signal }) => call('get', '/api/v1/orders', { query: { limit: 20, ...(pageParam ? { cursor: pageParam } : {}) }, signal }),
  initialPageParam: '',
  getNextPageParam: (page) => page.nextCursor,
})

export const orderQuery = (id: string) =>
  queryOptions({
    queryKey: ['order', id],
    queryFn: ({ signal }) => call('get', '/api/v1/orders/{id}', { path: { id }, signal }),
  })

const closed = new Set<OrderStatus>(['delivered', 'rejected', 'payment_failed', 'expired', 'cancelled', 'refunded', 'returned'])

/** Whether nothing more will happen to the order by itself: no step of its way, no return that is still open, no money on its way back. */
export function isClosed({ status, payment, returns }: Order): boolean {
  return closed.has(status) && payment.status !== 'refund_requested' && returns.every((one) => one.status === 'rejected' || one.status === 'refunded')
}

/**
 * Keeps an order in the query cache as the shop tells of it, and says whether the line is up. What is older than what is known is
 * ignored: a slow answer must not take a status back. While the line is down, the order is asked for every few seconds.
 */
export function useLiveOrder(order: Order): { live: boolean } {
  const client = useQueryClient()
  const [live, setLive] = useState(false)
  const { id } = order
  const done = isClosed(order)

  useEffect(() => {
    if (done) return
    return follow<Order>(`/api/v1/orders/${encodeURIComponent(id)}/events`, {
      event: 'order',
      onConnection: setLive,
      onData: (told) => client.setQueryData(orderQuery(id).queryKey, (known) => newest(known, told)),
    })
  }, [client, id, done])

  useEffect(() => {
    if (done || live) return
    const timer = setInterval(() => void client.invalidateQueries({ queryKey: orderQuery(id).queryKey }), 4_000)
    return () => clearInterval(timer)
  }, [client, id, done, live])

  return { live }
}

/** The one of two states of an order that knows more of its story. */
export function newest(known: Order | undefined, told: Order): Order {
  return known && lastSeq(known) > lastSeq(told) ? known : told
}

function lastSeq({ timeline }: Order): number {
  return timeline.at(-1)?.seq ?? 0
}

export function useCancelOrder(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: () => call('put', '/api/v1/orders/{id}/cancellation', { path: { id }, body: {} }),
    onSuccess: (order) => {
      client.setQueryData(orderQuery(id).queryKey, (known) => newest(known, order))
      void client.invalidateQueries({ queryKey: ordersQuery.queryKey })
    },
  })
}

/** Asks to send lines of an order back. */
export function useRequestReturn(id: string) {
  const client = useQueryClient()
  const wish = useWish()
  return useMutation({
    mutationFn: (body: { lines: ReturnLine[]; reason: string }) => wish.send((headers) => call('post', '/api/v1/orders/{id}/returns', { path: { id }, body, headers })),
    retry: (tries, error) => tries < 3 && isTemporary(error),
    retryDelay,
    onSuccess: () => client.invalidateQueries({ queryKey: orderQuery(id).queryKey }),
  })
}

/** What of an order can still be sent back: what was bought and is in no return that the shop has not rejected. */
export function returnableLines({ lines, returns }: Order): (Line & { left: number })[] {
  const back = returns.filter(({ status }) => status !== 'rejected').flatMap((one) => one.lines)
  return lines
    .map((line) => ({ ...line, left: back.filter(({ sku }) => sku === line.sku).reduce((left, { quantity }) => left - quantity, line.quantity) }))
    .filter(({ left }) => left > 0)
}
