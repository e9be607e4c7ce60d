import { formatMoney } from '@/ui/money'
import type { Filter } from './queries'

/** A range of prices in minor units, in words. */
export function priceWords(min: number | undefined, max: number | undefined, currency: string): string {
  const words = (amount: number) => formatMoney({ amount, currency })
  if (min !== undefined && max !== undefined) return `${words(min)} to ${words(max)}`
  return max === undefined ? `${words(min ?? 0)} and more` : `Up to ${words(max)}`
}

/** The name of an option or attribute as a heading: `leafSize` is "Leaf Size". */
export function capital(word: string): string {
  const spaced = word.replaceAll(/([a-z])([A-Z])/g, '$1 $2').replaceAll(/[-_]/g, ' ')
  return spaced.charAt(0).toUpperCase() + spaced.slice(1)
}

/** What a filter chip says. */
export function narrowingWords(name: keyof Filter, value: string, { minPrice, maxPrice }: Filter, currency: string, categoryName: string): string {
  switch (name) {
    case 'category':
      return categoryName
    case 'minPrice':
      return priceWords(minPrice, maxPrice, currency)
    case 'minRating':
      return `${value} stars and up`
    case 'inStock':
      return 'In stock'
    case 'attribute':
      return value.replace(':', ': ')
    default:
      return value
  }
}
