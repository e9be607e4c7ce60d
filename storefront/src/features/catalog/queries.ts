import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { call } from '@/api/client'
import type { Category } from '@/api/types'

export type Sort = 'relevance' | 'rating' | 'newest' | 'price' | '-price' | 'name'

/** What a product list is narrowed and ordered by; all of it stands in the URL. */
export interface Filter {
  query?: string
  category?: string
  /** Any of them. */
  brand?: string[]
  /** Prices in minor units of the list's currency. */
  minPrice?: number
  maxPrice?: number
  /** As `Name:Value`: of one name any, of all names one each. */
  attribute?: string[]
  minRating?: number
  inStock?: true
  sort?: Sort
}

export const pageSize = 24

export const categoriesQuery = queryOptions({
  queryKey: ['categories'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/categories', { signal })).items,
  staleTime: 300_000,
})

/** The category of a slug with all that it is part of, the widest first; empty if there is none. */
export function categoryPath(categories: Category[], slug: string | undefined): Category[] {
  for (const category of categories) {
    if (category.slug === slug) return [category]
    const below = categoryPath(category.children ?? [], slug)
    if (below.length > 0) return [category, ...below]
  }
  return []
}

/** A product list, page after page. */
export const productsQuery = (filter: Filter, currency: string) =>
  infiniteQueryOptions({
    queryKey: ['products', currency, filter],
    queryFn: ({ pageParam, signal }) =>
      call('get', '/api/v1/products', { query: { ...filter, currency, limit: pageSize, ...(pageParam ? { cursor: pageParam } : {}) }, signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor,
  })

/** The first few products of a list, for a shelf. */
export const shelfQuery = (filter: Filter, currency: string, limit: number) =>
  queryOptions({
    queryKey: ['shelf', currency, filter, limit],
    queryFn: async ({ signal }) => (await call('get', '/api/v1/products', { query: { ...filter, currency, limit }, signal })).items,
  })

/** What goes with a product: what others bought with it first. */
export const relatedQuery = (slug: string, currency: string) =>
  queryOptions({
    queryKey: ['related', slug, currency],
    queryFn: async ({ signal }) => (await call('get', '/api/v1/products/{slug}/related', { path: { slug }, query: { currency }, signal })).items,
  })

/** Products by name, in the order of the names; what is no longer sold is absent. */
export const namedQuery = (slugs: string[], currency: string) =>
  queryOptions({
    queryKey: ['named', currency, slugs],
    queryFn: async ({ signal }) => (await call('get', '/api/v1/products', { query: { slugs: slugs.join(','), currency }, signal })).items,
    enabled: slugs.length > 0,
  })

export const productQuery = (slug: string, currency: string) =>
  queryOptions({
    queryKey: ['product', slug, currency],
    queryFn: ({ signal }) => call('get', '/api/v1/products/{slug}', { path: { slug }, query: { currency }, signal }),
  })

/** What somebody may mean who has typed this much. */
export const suggestionsQuery = (q: string) =>
  queryOptions({
    queryKey: ['suggestions', q],
    queryFn: ({ signal }) => call('get', '/api/v1/suggest', { query: { q }, signal }),
    enabled: q.length > 1,
    // A suggestion that cannot be had is no loss worth a second try.
    retry: false,
  })
