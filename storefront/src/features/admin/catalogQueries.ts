import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { call, ifMatch } from '@/api/client'
import type { CategoryDraft, ProductDraft, ReviewStatus, StaffCategory, StaffReview } from '@/api/types'
import { upload } from '@/api/upload'
import { useWish } from '@/api/wish'
import { categoryDraft } from './categoryForm'
import type { ProductFilter } from './filter'

const pageSize = 25
/** Milliseconds after which a page looks again at an import that goes on. */
const lookAgain = 1_000

export const productsQuery = (filter: ProductFilter, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'products', filter, cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/products', { query: { ...filter, limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const productQuery = (id: string) =>
  queryOptions({
    queryKey: ['admin', 'product', id],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/products/{id}', { path: { id }, signal }),
    // A form is filled from it: it must not change under somebody's hands.
    refetchOnWindowFocus: false,
  })

export const historyQuery = (id: string, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'history', id, cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/products/{id}/history', { path: { id }, query: { limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const auditQuery = (cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'audit', cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/audit', { query: { limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const categoriesQuery = queryOptions({
  queryKey: ['admin', 'categories'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/admin/categories', { signal })).items,
  staleTime: 0,
})

export const reviewsQuery = (status: ReviewStatus, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'reviews', status, cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/reviews', { query: { status, limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const importsQuery = (cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'imports', cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/imports', { query: { limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data?.items.some(({ finishedAt }) => !finishedAt) ? lookAgain : false),
  })

/** Looks again by itself until the import has ended. */
export const importQuery = (id: string) =>
  queryOptions({
    queryKey: ['admin', 'import', id],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/imports/{id}', { path: { id }, signal }),
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data?.finishedAt ? false : lookAgain),
  })

export function useAddProduct() {
  const wish = useWish()
  return useMutation({ mutationFn: (body: ProductDraft) => wish.send((headers) => call('post', '/api/v1/admin/products', { body, headers })), onSuccess: useLookAgain() })
}

/** Writes a product anew, if nobody else has since it was read. */
export function useSaveProduct(id: string) {
  const look = useLookAgain()
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ draft, version }: { draft: ProductDraft; version: number }) => call('put', '/api/v1/admin/products/{id}', { path: { id }, body: draft, headers: ifMatch(tag(version)) }),
    onSuccess: (product) => {
      client.setQueryData(productQuery(id).queryKey, product)
      return look()
    },
  })
}

export function useSaveCategory(slug: string | undefined, version: number) {
  const wish = useWish()
  return useMutation({
    mutationFn: (body: CategoryDraft) =>
      slug === undefined
        ? wish.send((headers) => call('post', '/api/v1/admin/categories', { body, headers }))
        : call('put', '/api/v1/admin/categories/{slug}', { path: { slug }, body, headers: ifMatch(tag(version)) }),
    onSuccess: useLookAgain(),
  })
}

/** Puts a category in another place among its siblings. */
export function useMoveCategory() {
  return useMutation({
    mutationFn: ({ category, position }: { category: StaffCategory; position: number }) =>
      call('put', '/api/v1/admin/categories/{slug}', { path: { slug: category.slug }, body: { ...categoryDraft(category), position }, headers: ifMatch(tag(category.version)) }),
    onSuccess: useLookAgain(),
  })
}

export function useRemoveCategory() {
  return useMutation({
    mutationFn: ({ slug, version }: { slug: string; version: number }) => call('delete', '/api/v1/admin/categories/{slug}', { path: { slug }, headers: ifMatch(tag(version)) }),
    onSuccess: useLookAgain(),
  })
}

export function useUploadImage() {
  return useMutation({ mutationFn: ({ file, onProgress }: { file: File; onProgress: (part: number) => void }) => upload('/api/v1/admin/images', file, { onProgress }) })
}

export function useModerate({ id, version }: StaffReview) {
  return useMutation({
    mutationFn: (body: { status: ReviewStatus; reason?: string }) => call('patch', '/api/v1/admin/reviews/{id}', { path: { id }, body: { ...body, version } }),
    onSuccess: useLookAgain(),
  })
}

export function useStartImport() {
  const wish = useWish()
  return useMutation({
    mutationFn: ({ file, onProgress }: { file: File; onProgress: (part: number) => void }) =>
      wish.send((headers) => upload('/api/v1/admin/imports', file, { query: { file: file.name }, headers: { ...headers, 'Content-Type': 'text/csv' }, onProgress })),
    onSuccess: useLookAgain(),
  })
}

export function useCancelImport() {
  return useMutation({ mutationFn: (id: string) => call('post', '/api/v1/admin/imports/{id}/cancellation', { path: { id } }), onSuccess: useLookAgain() })
}

/** After a change, what is shown is read again, and a dialog waits for it: it closes over the new state. Shoppers' pages are, too. */
function useLookAgain() {
  const client = useQueryClient()
  return async () => {
    for (const name of ['products', 'product', 'shelf', 'categories', 'reviews', 'related', 'named']) void client.invalidateQueries({ queryKey: [name] })
    await client.invalidateQueries({ queryKey: ['admin'] })
  }
}

/** The ETag of a version. */
function tag(version: number): string {
  return `"${version}"`
}
