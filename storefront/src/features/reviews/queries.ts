import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { call, ProblemError } from '@/api/client'
import type { ReviewText } from '@/api/types'
import { useWish } from '@/api/wish'

export const sorts = ['newest', 'rating', '-rating'] as const
export type Sort = (typeof sorts)[number]

const pageSize = 10

/** What buyers say of a product, page after page. */
export const reviewsQuery = (slug: string, sort: Sort) =>
  infiniteQueryOptions({
    queryKey: ['reviews', slug, sort],
    queryFn: ({ pageParam, signal }) =>
      call('get', '/api/v1/products/{slug}/reviews', { path: { slug }, query: { sort, limit: pageSize, ...(pageParam ? { cursor: pageParam } : {}) }, signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor,
  })

/** What the signed-in customer says of a product, published or not; null if nothing. */
export const ownReviewQuery = (slug: string) =>
  queryOptions({
    queryKey: ['own-review', slug],
    queryFn: async ({ signal }) => {
      try {
        return await call('get', '/api/v1/products/{slug}/reviews/mine', { path: { slug }, signal })
      } catch (error) {
        if (error instanceof ProblemError && error.status === 404) return null
        throw error
      }
    },
  })

/** Writes the customer's review of a product, or changes it. */
export function useSaveReview(slug: string, exists: boolean) {
  const refresh = useRefresh(slug)
  const wish = useWish()
  return useMutation({
    mutationFn: (body: ReviewText) =>
      exists
        ? call('put', '/api/v1/products/{slug}/reviews/mine', { path: { slug }, body })
        : wish.send((headers) => call('post', '/api/v1/products/{slug}/reviews', { path: { slug }, body, headers })),
    onSuccess: refresh,
    // It may have been written in another tab, or by a try whose answer got lost, which is then what there is to change.
    onError: (error) => error instanceof ProblemError && ['already-reviewed', 'idempotency-key-reused'].includes(error.code) && refresh(),
  })
}

export function useDeleteReview(slug: string) {
  return useMutation({ mutationFn: () => call('delete', '/api/v1/products/{slug}/reviews/mine', { path: { slug } }), onSuccess: useRefresh(slug) })
}

function useRefresh(slug: string) {
  const client = useQueryClient()
  return async () => {
    await client.invalidateQueries({ queryKey: ['own-review', slug] })
    void client.invalidateQueries({ queryKey: ['reviews', slug] })
    void client.invalidateQueries({ queryKey: ['product', slug] })
  }
}
