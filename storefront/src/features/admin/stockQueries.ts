import { keepPreviousData, queryOptions, useMutation } from '@tanstack/react-query'
import { call, isTemporary, ProblemError } from '@/api/client'
import { retryDelay } from '@/api/queryClient'
import type { StockItem } from '@/api/types'
import { upload } from '@/api/upload'
import { useWish } from '@/api/wish'
import { pageSize, useLookAgain } from './queries'
import type { readAdjustment, StockFilter } from './stock'
import { joined, partsOf } from './stocktake'

export const stockQuery = (filter: StockFilter, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'stock', filter, cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/stock', { query: { ...filter, limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const stockItemQuery = (sku: string) =>
  queryOptions({
    queryKey: ['admin', 'stock-item', sku],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/stock/{sku}', { path: { sku }, signal }),
    staleTime: 0,
  })

export const movementsQuery = (sku: string, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['admin', 'stock-item', sku, 'movements', cursor],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/stock/{sku}/movements', { path: { sku }, query: { limit: pageSize, ...(cursor ? { cursor } : {}) }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 0,
  })

export const reservationsQuery = (sku: string) =>
  queryOptions({
    queryKey: ['admin', 'stock-item', sku, 'reservations'],
    queryFn: ({ signal }) => call('get', '/api/v1/admin/stock/{sku}/reservations', { path: { sku }, query: { limit: 100 }, signal }),
    staleTime: 0,
  })

/** Whether the counts agree with the ledger; null before they were compared for the first time. */
export const stockReportQuery = queryOptions({
  queryKey: ['admin', 'stock-report'],
  queryFn: ({ signal }) =>
    call('get', '/api/v1/admin/reports/stock', { signal }).catch((error: unknown) => {
      if (error instanceof ProblemError && error.code === 'not-checked-yet') return null
      throw error
    }),
  staleTime: 0,
})

/** Changes a count once, however often it is sent. */
export function useAdjust() {
  const wish = useWish()
  return useMutation({
    mutationFn: ({ sku, ...body }: { sku: string; note: string } & NonNullable<ReturnType<typeof readAdjustment>>) =>
      wish.send((headers) => call('post', '/api/v1/admin/stock/{sku}/adjustments', { path: { sku }, body, headers })),
    retry: (tries, error) => tries < 3 && isTemporary(error),
    retryDelay,
    onSuccess: useLookAgain(),
  })
}

/** Sets the threshold of an item as it was seen. Where somebody else was faster, what they did is shown. */
export function useWatch({ sku, version }: StockItem) {
  const lookAgain = useLookAgain()
  return useMutation({
    mutationFn: (threshold: number) => call('put', '/api/v1/admin/stock/{sku}', { path: { sku }, body: { threshold }, headers: { 'If-Match': `"${version}"` } }),
    onSuccess: lookAgain,
    onError: (error) => error instanceof ProblemError && error.status === 412 && lookAgain(),
  })
}

/** Sends a file of counts part by part, and says of each line what came of it. A repeat after a lost answer changes nothing more. */
export function useImportStock() {
  const wish = useWish()
  return useMutation({
    mutationFn: ({ file, onProgress }: { file: File; onProgress: (part: number) => void }) =>
      wish.send(async ({ 'Idempotency-Key': key }) => {
        const parts = partsOf(await file.text())
        const reports: Parameters<typeof joined>[0] = []
        for (const [i, part] of parts.entries()) {
          // Of this file: who takes another one after a failure wants something else.
          const headers = { 'Idempotency-Key': `${key}-${file.lastModified}-${i}`, 'Content-Type': 'text/csv' }
          // One after the other: they are lines of one count, and lock the stock.
          // oxlint-disable-next-line no-await-in-loop
          const report = await upload('/api/v1/admin/stock/import', new File([part.text], file.name), { headers })
          reports.push({ report, part })
          onProgress((i + 1) / parts.length)
        }
        return joined(reports)
      }),
    onSuccess: useLookAgain(),
  })
}
