import type { OrderStatus, ProductStatus, ReturnStatus, ReviewStatus } from '@/api/types'
import { orderStatuses, productStatuses, returnStatuses, reviewStatuses } from './words'

export interface OrderFilter {
  status?: OrderStatus
  query?: string
  /** Days as 2030-01-31. */
  from?: string
  to?: string
}

/** Reads the filter of the list of orders from the URL; what is not understood is ignored. */
export function readOrderFilter(search: URLSearchParams): OrderFilter {
  const status = orderStatuses.find((known) => known === search.get('status'))
  const query = search.get('query')?.trim()
  const { from, to } = readPeriod(search)
  return { ...(status ? { status } : {}), ...(query ? { query } : {}), ...(from ? { from } : {}), ...(to ? { to } : {}) }
}

export function readReturnStatus(search: URLSearchParams): ReturnStatus | undefined {
  return returnStatuses.find((known) => known === search.get('status'))
}

export const productSorts = ['name', '-updated', 'newest'] as const

export interface ProductFilter {
  query?: string
  category?: string
  status?: ProductStatus
  sort?: (typeof productSorts)[number]
}

/** Reads the filter of the list of products from the URL; what is not understood is ignored. */
export function readProductFilter(search: URLSearchParams): ProductFilter {
  const [query, category] = [search.get('query')?.trim(), search.get('category')?.trim()]
  const status = productStatuses.find((known) => known === search.get('status'))
  const sort = productSorts.find((known) => known === search.get('sort'))
  return { ...(query ? { query } : {}), ...(category ? { category } : {}), ...(status ? { status } : {}), ...(sort ? { sort } : {}) }
}

/** Which reviews the queue shows: those that wait, if the URL does not say. */
export function readReviewStatus(search: URLSearchParams): ReviewStatus {
  return reviewStatuses.find((known) => known === search.get('status')) ?? 'pending'
}

/** The days of a list or a report, where the URL names any. */
export function readPeriod(search: URLSearchParams): { from?: string; to?: string } {
  const day = (name: string) => {
    const value = search.get(name) ?? ''
    return /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)) ? value : undefined
  }
  const [from, to] = [day('from'), day('to')]
  return { ...(from ? { from } : {}), ...(to ? { to } : {}) }
}

/** A URL with these filter values and no others; a changed list starts at its first page. */
export function withFilter(values: Record<string, string | undefined>): URLSearchParams {
  return new URLSearchParams(Object.entries(values).filter((pair): pair is [string, string] => Boolean(pair[1]?.trim())))
}

/**
 * The pages of a list are cursors, each known from the page before. The URL carries all that led to the page shown, so that it can
 * be sent to somebody and still has a way back.
 */
export function readCursor(search: URLSearchParams): string | undefined {
  return search.getAll('cursor').at(-1)
}

export function nextPage(search: URLSearchParams, cursor: string): URLSearchParams {
  const next = new URLSearchParams(search)
  next.append('cursor', cursor)
  return next
}

/** undefined on the first page. */
export function previousPage(search: URLSearchParams): URLSearchParams | undefined {
  const cursors = search.getAll('cursor')
  if (cursors.length === 0) return undefined
  const previous = new URLSearchParams(search)
  previous.delete('cursor')
  for (const cursor of cursors.slice(0, -1)) previous.append('cursor', cursor)
  return previous
}
