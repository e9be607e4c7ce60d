import { expect, it } from 'vitest'
import type { Variant } from '@/api/types'
import { optionsOf } from './options'

function variant(sku: string, options: Record<string, string>, available = true): Variant {
  return { sku, options, available, price: { amount: 100, currency: 'EUR' } }
}

const words = (variants: Variant[], chosen: Variant) =>
  optionsOf(variants, chosen).map(({ name, values }) => [name, values.map(({ value, variant: { sku }, changes }) => [value, sku, ...changes].join(' '))])

it('offers one choice where one option tells the variants apart', () => {
  const variants = [variant('A', { Diameter: '20', Serves: '2' }), variant('B', { Diameter: '28', Serves: '4' })]
  expect(words(variants, variants[0]!)).toEqual([['Diameter and Serves', ['20 · 2 A', '28 · 4 B']]])
})

it('names variants without options by their SKU', () => {
  const variants = [variant('A', {}), variant('B', {})]
  expect(words(variants, variants[0]!)).toEqual([['variant', ['A A', 'B B']]])
})

it('offers each option beside what is chosen of the others', () => {
  const variants = [variant('SR', { Size: 'S', Colour: 'red' }), variant('SB', { Size: 'S', Colour: 'blue' }), variant('LR', { Size: 'L', Colour: 'red' }), variant('LB', { Size: 'L', Colour: 'blue' })]
  expect(words(variants, variants[1]!)).toEqual([
    ['Size', ['S SB', 'L LB']],
    ['Colour', ['red SR', 'blue SB']],
  ])
})

it('says what a combination that does not exist changes, and leads to what can be had', () => {
  const variants = [
    variant('SR', { Size: 'S', Colour: 'red', Fit: 'slim' }),
    variant('SB', { Size: 'S', Colour: 'blue', Fit: 'slim' }),
    variant('LR', { Size: 'L', Colour: 'red', Fit: 'wide' }, false),
    variant('LG', { Size: 'L', Colour: 'green', Fit: 'wide' }),
    variant('SG', { Size: 'S', Colour: 'green', Fit: 'slim' }),
  ]
  expect(words(variants, variants[1]!)).toEqual([
    ['Size', ['S SB', 'L LG Colour Fit']],
    ['Colour', ['red SR', 'blue SB', 'green SG']],
    ['Fit', ['slim SB', 'wide LG Size Colour']],
  ])
})
