import { expect, it } from 'vitest'
import { changeFilter, narrowings, readFilter, toggle, writeFilter } from './filter'

it.each([
  ['', { filter: {}, pages: 1 }],
  ['query=+tea+&category=kitchen&sort=-price&pages=3', { filter: { query: 'tea', category: 'kitchen', sort: '-price' }, pages: 3 }],
  ['query=&sort=cheapest&pages=-1', { filter: {}, pages: 1 }],
  ['pages=1.5', { filter: {}, pages: 1 }],
  ['pages=100000', { filter: {}, pages: 20 }],
  ['brand=A&brand=B&brand=A&brand=', { filter: { brand: ['A', 'B'] }, pages: 1 }],
  ['attribute=Material:Oak&attribute=Care:Wipe', { filter: { attribute: ['Material:Oak', 'Care:Wipe'] }, pages: 1 }],
  ['minPrice=1000&maxPrice=2500', { filter: { minPrice: 1000, maxPrice: 2500 }, pages: 1 }],
  ['minPrice=1000&currency=EUR', { filter: { minPrice: 1000 }, pages: 1 }],
  ['minPrice=1000&currency=JPY', { filter: {}, pages: 1 }],
  ['minPrice=-1&maxPrice=1e3', { filter: {}, pages: 1 }],
  ['minRating=4&inStock=true', { filter: { minRating: 4, inStock: true }, pages: 1 }],
  ['minRating=6&inStock=1', { filter: {}, pages: 1 }],
])('reads %j', (search, expected) => {
  expect(readFilter(new URLSearchParams(search), 'EUR')).toEqual(expected)
})

it.each([
  'query=tea&category=kitchen&brand=A+%26+B&brand=C&minPrice=0&maxPrice=2500&attribute=Material%3AOak&minRating=4&inStock=true&sort=price&currency=EUR',
  'category=kitchen',
  '',
])('writes %j as it read it', (search) => {
  expect(writeFilter(readFilter(new URLSearchParams(search), 'EUR').filter, 'EUR').toString().split('&').toSorted()).toEqual(search.split('&').toSorted())
})

it('drops what a change leaves empty and keeps the rest', () => {
  expect(changeFilter({ query: 'tea', brand: ['Oakhollow'], inStock: true }, { sort: 'price', brand: [], inStock: undefined })).toEqual({ query: 'tea', sort: 'price' })
})

it('puts a value into a list or takes it out', () => {
  expect(toggle(undefined, 'A')).toEqual(['A'])
  expect(toggle(['A', 'B'], 'A')).toEqual(['B'])
})

it('takes one narrowing away at a time', () => {
  const filter = { query: 'tea', category: 'kitchen', brand: ['A', 'B'], minPrice: 0, maxPrice: 100, inStock: true as const }
  expect(narrowings(filter)).toEqual([
    { name: 'category', value: 'kitchen', without: { query: 'tea', brand: ['A', 'B'], minPrice: 0, maxPrice: 100, inStock: true } },
    { name: 'brand', value: 'A', without: { ...filter, brand: ['B'] } },
    { name: 'brand', value: 'B', without: { ...filter, brand: ['A'] } },
    { name: 'minPrice', value: '', without: { query: 'tea', category: 'kitchen', brand: ['A', 'B'], inStock: true } },
    { name: 'inStock', value: '', without: { query: 'tea', category: 'kitchen', brand: ['A', 'B'], minPrice: 0, maxPrice: 100 } },
  ])
})
