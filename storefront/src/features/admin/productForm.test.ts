import { expect, it } from 'vitest'
import type { AttributeDefinition, StaffCategory } from '@/api/types'
import { definitionsFor, differences, merge, placeRefused, readProduct, slugOf, type Product, type Shape } from './productForm'

const material: AttributeDefinition = { name: 'Material', kind: 'text' }

const shape: Shape = { options: 1, variants: 2, others: 1, defined: [material], images: ['teapot.webp'] }

const typed = {
  name: 'Enamel teapot',
  slug: 'enamel-teapot',
  brand: 'Hearth & Co.',
  category: 'kitchen',
  description: 'Pours.',
  status: 'draft',
  'attributes.Material': 'Enamel',
  'others.0.name': 'Care',
  'others.0.value': 'By hand',
  'options.0': 'Colour',
  'variants.0.sku': 'TEAPOT-RED',
  'variants.0.options.0': 'red',
  'variants.0.prices.EUR': '34.50',
  'variants.0.prices.JPY': '4480',
  'variants.1.sku': 'TEAPOT-BLUE',
  'variants.1.options.0': 'blue',
  'variants.1.prices.EUR': '36',
}

const teapot: Product = {
  name: 'Enamel teapot',
  slug: 'enamel-teapot',
  brand: 'Hearth & Co.',
  category: 'kitchen',
  description: 'Pours.',
  status: 'draft',
  attributes: { Material: 'Enamel', Care: 'By hand' },
  images: ['teapot.webp'],
  variants: [
    { sku: 'TEAPOT-RED', options: { Colour: 'red' }, prices: { EUR: 3450, JPY: 4480 } },
    { sku: 'TEAPOT-BLUE', options: { Colour: 'blue' }, prices: { EUR: 3600 } },
  ],
}

it('reads a product', () => {
  expect(readProduct(typed, shape)).toEqual({ product: teapot })
})

it('leaves out what is empty', () => {
  const bare = { ...typed, 'attributes.Material': '', 'others.0.name': '', 'others.0.value': '', 'options.0': '', 'variants.0.options.0': '' }
  const read = readProduct(bare, shape)
  expect(read).toMatchObject({ product: { attributes: {}, variants: [{ options: {} }, { options: {} }] } })
})

it.each([
  [{ 'variants.0.prices.EUR': '34.505' }, 'variants.0.prices.EUR'],
  [{ 'variants.0.prices.EUR': '0' }, 'variants.0.prices.EUR'],
  [{ 'variants.0.prices.JPY': '4480.5' }, 'variants.0.prices.JPY'],
  [{ 'variants.1.sku': 'TEAPOT-RED' }, 'variants.1.sku'],
  [{ 'others.0.name': 'Material' }, 'others.0.name'],
  [{ 'others.0.name': '' }, 'others.0.name'],
  [{ 'others.0.value': '' }, 'others.0.value'],
])('refuses %j', (change, field) => {
  const read = readProduct({ ...typed, ...change }, shape)
  expect(Object.keys('refused' in read ? read.refused : {})).toEqual([field])
})

it('refuses an option twice', () => {
  const read = readProduct({ ...typed, 'options.1': 'Colour' }, { ...shape, options: 2 })
  expect(read).toEqual({ refused: { 'options.1': 'Colour is there already.' } })
})

it('puts what the shop refused beside its field, or says it of the whole', () => {
  const refused = { name: 'a', 'variants.1.sku': 'b', 'variants.0.prices': 'c', 'variants.0.prices.JPY': 'd', 'variants.1.options.Colour': 'e', 'attributes.Material': 'f', 'attributes.Care': 'g', images: 'must have one', 'images.3': 'is there twice' }
  expect(placeRefused(refused, typed, shape)).toEqual({
    refused: { name: 'a', 'variants.1.sku': 'b', 'variants.0.prices.EUR': 'c', 'variants.0.prices.JPY': 'd', 'variants.1.options.0': 'e', 'attributes.Material': 'f', 'others.0.value': 'g' },
    problem: 'Pictures: must have one. Pictures: is there twice.',
  })
})

it.each([
  ['Enamel teapot', 'enamel-teapot'],
  ['  Crème brûlée: for 2! ', 'creme-brulee-for-2'],
  ['茶', ''],
])('makes an address of %j', (name, slug) => {
  expect(slugOf(name)).toBe(slug)
})

const category = (slug: string, parent: string | undefined, attributes: AttributeDefinition[]): StaffCategory => ({ slug, name: slug, description: '', image: '', position: 0, products: 0, version: 1, attributes, ...(parent ? { parent } : {}) })

it('knows the attributes of a category and of all that it is part of, the nearest first', () => {
  const choice: AttributeDefinition = { name: 'Material', kind: 'choice', choices: ['Glass'] }
  const categories = [category('kitchen', undefined, [material, { name: 'Care', kind: 'text' }]), category('teapots', 'kitchen', [choice])]
  expect(definitionsFor(categories, 'teapots')).toEqual([choice, { name: 'Care', kind: 'text' }])
  expect(definitionsFor(categories, 'gone')).toEqual([])
})

const mine: Product = { ...teapot, name: 'Teapot', attributes: { Material: 'Enamel', Care: 'By hand', Origin: 'Portugal' }, variants: [{ ...teapot.variants[0]!, prices: { EUR: 3300 } }, teapot.variants[1]!] }
const theirs: Product = { ...teapot, name: 'Tea pot', status: 'active', attributes: { Material: 'Steel' }, variants: [teapot.variants[0]!, { sku: 'TEAPOT-GREEN', options: { Colour: 'green' }, prices: { EUR: 3500 } }] }

it('tells what somebody else changed, and where both did', () => {
  expect(differences(teapot, mine, theirs).map(({ field, both }) => [field, both])).toEqual([
    ['Name', true],
    ['Status', false],
    ['Attribute Material', false],
    ['Attribute Care', false],
    ['Variant TEAPOT-BLUE', false],
    ['Variant TEAPOT-GREEN', false],
  ])
})

it('takes fields in another order for the same', () => {
  const turned: Product = { ...teapot, variants: teapot.variants.map(({ sku, options, prices }) => ({ prices: Object.fromEntries(Object.entries(prices).toReversed()), options, sku })) }
  expect(differences(teapot, teapot, turned)).toEqual([])
  expect(merge(teapot, turned, theirs)).toEqual(theirs)
})

it('puts my changes on theirs, and keeps what only they changed', () => {
  expect(merge(teapot, mine, theirs)).toEqual({
    ...teapot,
    name: 'Teapot',
    status: 'active',
    attributes: { Material: 'Steel', Origin: 'Portugal' },
    variants: [
      { sku: 'TEAPOT-RED', options: { Colour: 'red' }, prices: { EUR: 3300 } },
      { sku: 'TEAPOT-GREEN', options: { Colour: 'green' }, prices: { EUR: 3500 } },
    ],
  })
})
