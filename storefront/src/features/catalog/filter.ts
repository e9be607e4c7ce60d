import type { Filter, Sort } from './queries'

export const sorts = ['relevance', 'rating', 'newest', 'price', '-price', 'name'] as const satisfies Sort[]

/** The most pages that a shared or reloaded link asks for in one go. */
const mostPages = 20

/**
 * Reads a list's filter and its number of pages from the URL; what is not understood is ignored. Prices are minor units of the
 * currency that stands beside them, and mean nothing in another.
 */
export function readFilter(search: URLSearchParams, currency: string): { filter: Filter; pages: number } {
  const filter: Filter = {}
  for (const name of ['query', 'category'] as const) {
    const value = search.get(name)?.trim()
    if (value) filter[name] = value
  }
  for (const name of ['brand', 'attribute'] as const) {
    const values = [...new Set(search.getAll(name).filter(Boolean))]
    if (values.length > 0) filter[name] = values
  }
  if ((search.get('currency') ?? currency) === currency) {
    for (const name of ['minPrice', 'maxPrice'] as const) {
      const value = readInteger(search.get(name))
      if (value !== undefined) filter[name] = value
    }
  }
  const rating = readInteger(search.get('minRating'))
  if (rating !== undefined && rating >= 1 && rating <= 5) filter.minRating = rating
  if (search.get('inStock') === 'true') filter.inStock = true
  const sort = sorts.find((known) => known === search.get('sort'))
  if (sort) filter.sort = sort
  const pages = readInteger(search.get('pages')) ?? 1
  return { filter, pages: Math.min(Math.max(pages, 1), mostPages) }
}

/** The URL of a filter in a currency, at its first page. */
export function writeFilter(filter: Filter, currency: string): URLSearchParams {
  const { minPrice, maxPrice } = filter
  const priced = minPrice !== undefined || maxPrice !== undefined
  const values = Object.entries({ ...filter, ...(priced ? { currency } : {}) }).flatMap(([name, value]) => [value].flat().map((one) => [name, String(one ?? '')]))
  return new URLSearchParams(values.filter(([, value]) => value !== ''))
}

/** The filter with something changed; what is undefined or empty goes. */
export function changeFilter(filter: Filter, change: { [Name in keyof Filter]?: Filter[Name] | undefined }): Filter {
  const kept = Object.entries({ ...filter, ...change }).filter(([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0))
  return Object.fromEntries(kept)
}

/** The list with the value in it, or without it if it was. */
export function toggle(values: string[] = [], value: string): string[] {
  return values.includes(value) ? values.filter((other) => other !== value) : [...values, value]
}

/** What narrows the list beside words and order, each with the filter that does without it. */
export function narrowings(filter: Filter): { name: Exclude<keyof Filter, 'query' | 'sort'>; value: string; without: Filter }[] {
  const { category, brand = [], attribute = [], minPrice, maxPrice, minRating, inStock } = filter
  return [
    ...(category ? [{ name: 'category' as const, value: category, without: changeFilter(filter, { category: undefined }) }] : []),
    ...brand.map((value) => ({ name: 'brand' as const, value, without: changeFilter(filter, { brand: toggle(brand, value) }) })),
    ...(minPrice === undefined && maxPrice === undefined ? [] : [{ name: 'minPrice' as const, value: '', without: changeFilter(filter, { minPrice: undefined, maxPrice: undefined }) }]),
    ...attribute.map((value) => ({ name: 'attribute' as const, value, without: changeFilter(filter, { attribute: toggle(attribute, value) }) })),
    ...(minRating ? [{ name: 'minRating' as const, value: String(minRating), without: changeFilter(filter, { minRating: undefined }) }] : []),
    ...(inStock ? [{ name: 'inStock' as const, value: '', without: changeFilter(filter, { inStock: undefined }) }] : []),
  ]
}

function readInteger(text: string | null): number | undefined {
  if (!text || !/^\d+$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}
