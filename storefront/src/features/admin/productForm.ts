import { currencies } from '@/api/currency'
import type { AttributeDefinition, ProductDraft, ProductStatus, StaffCategory, StaffProduct, VariantDraft } from '@/api/types'
import { formatMoney, parseMoney } from '@/ui/money'

type Values = Record<string, string>

/** A product as its form sends it: with everything, since it is written anew. */
export interface Product extends Required<ProductDraft> {
  variants: (VariantDraft & { options: Record<string, string> })[]
}

/** How many rows each growing part of the form has, and what is not in a field. */
export interface Shape {
  options: number
  variants: number
  others: number
  /** The attributes that the category defines. */
  defined: AttributeDefinition[]
  images: string[]
}

/** What a product is without what only the shop sets. */
export function draftOf({ slug, name, brand, category, description, attributes, images, status, variants }: StaffProduct): Product {
  return { slug, name, brand, category, description, attributes, images, status, variants: variants.map((variant) => ({ ...variant, options: variant.options ?? {} })) }
}

/** Reads the form of a product: the product, or what is wrong by field. */
export function readProduct(values: Values, shape: Shape): { product: Product } | { refused: Values } {
  const refused: Values = {}
  const of = (name: string) => values[name] ?? ''

  const attributes: Record<string, string> = {}
  for (const { name } of shape.defined) if (of(`attributes.${name}`)) attributes[name] = of(`attributes.${name}`)
  for (const index of numbers(shape.others)) {
    const [name, value] = [of(`others.${index}.name`), of(`others.${index}.value`)]
    if (name === '' && value === '') continue
    if (name === '') refused[`others.${index}.name`] = 'Enter a name for it.'
    else if (value === '') refused[`others.${index}.value`] = `Enter what ${name} is.`
    else if (name in attributes) refused[`others.${index}.name`] = `${name} is there already.`
    else attributes[name] = value
  }

  const options = numbers(shape.options).map((index) => of(`options.${index}`))
  for (const [index, name] of options.entries()) if (name !== '' && options.indexOf(name) < index) refused[`options.${index}`] = `${name} is there already.`

  const variants = numbers(shape.variants).map((index) => {
    const prices: Record<string, number> = {}
    for (const currency of currencies) {
      const field = `variants.${index}.prices.${currency}`
      const typed = of(field)
      if (typed === '') continue
      const price = parseMoney(typed, currency)
      if (price?.amount) prices[currency] = price.amount
      else refused[field] = `Enter an amount of ${currency} over 0, or leave it empty.`
    }
    const chosen = options.map((name, at) => [name, of(`variants.${index}.options.${at}`)] as const).filter(([name, value]) => name !== '' && value !== '')
    return { sku: of(`variants.${index}.sku`), options: Object.fromEntries(chosen), prices }
  })
  for (const [index, { sku }] of variants.entries()) if (variants.findIndex((other) => other.sku === sku) < index) refused[`variants.${index}.sku`] = `${sku} is there already.`

  if (Object.keys(refused).length > 0) return { refused }
  return {
    product: {
      slug: of('slug'),
      name: of('name'),
      brand: of('brand'),
      category: of('category'),
      description: of('description'),
      status: of('status') as ProductStatus,
      attributes,
      images: shape.images,
      variants,
    },
  }
}

/** Puts what the shop refused beside the fields of the form that was sent; what has no field of its own is said of the whole. */
export function placeRefused(refused: Values, values: Values, shape: Shape): { refused: Values; problem?: string } {
  const placed: Values = {}
  const rest: string[] = []
  for (const [field, detail] of Object.entries(refused)) {
    const name = fieldOf(field, values, shape)
    if (name) placed[name] = detail
    else rest.push(`${wholes[field.split('.')[0] ?? ''] ?? field} ${detail}.`)
  }
  return { refused: placed, ...(rest.length > 0 ? { problem: rest.join(' ') } : {}) }
}

const wholes: Values = { images: 'Pictures:', variants: 'Variants:' }

function fieldOf(field: string, values: Values, { options, others, defined }: Shape): string | undefined {
  const [, row, part, name] = /^variants\.(\d+)\.(options|prices)(?:\.(.+))?$/.exec(field) ?? []
  if (part === 'options') {
    const at = numbers(options).find((index) => values[`options.${index}`] === name) ?? 0
    return `variants.${row}.options.${at}`
  }
  if (part === 'prices') return `variants.${row}.prices.${name ?? currencies[0]}`
  const attribute = /^attributes\.(.+)$/.exec(field)?.[1]
  if (attribute !== undefined && !defined.some((one) => one.name === attribute)) {
    const index = numbers(others).find((one) => values[`others.${one}.name`] === attribute)
    return index === undefined ? undefined : `others.${index}.value`
  }
  return /^(images|variants)(\.\d+)?$|^attributes$/.test(field) ? undefined : field
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** What shoppers' addresses call a product of this name. */
export function slugOf(name: string): string {
  return name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 100)
}

/** The names of the options of all variants, in the order in which they appear. */
export function optionNames(variants: VariantDraft[]): string[] {
  return [...new Set(variants.flatMap(({ options }) => Object.keys(options ?? {})))]
}

/** The attributes that a category defines, its own and those of all that it is part of. */
export function definitionsFor(categories: StaffCategory[], slug: string): AttributeDefinition[] {
  const found: AttributeDefinition[] = []
  const seen = new Set<string>()
  for (let at = categories.find((category) => category.slug === slug); at && !seen.has(at.slug); at = categories.find((category) => category.slug === at?.parent)) {
    seen.add(at.slug)
    found.push(...at.attributes.filter(({ name }) => found.every((known) => known.name !== name)))
  }
  return found
}

/** What a product says, field by field in words. */
function described(product: Product): Map<string, string> {
  const { name, slug, brand, category, status, description, images, attributes, variants } = product
  const fields: [string, string][] = [
    ['Name', name],
    ['Address', slug],
    ['Brand', brand],
    ['Category', category],
    ['Status', status],
    ['Description', description],
    ['Pictures', images.join(', ')],
    ...Object.entries(attributes).map(([key, value]): [string, string] => [`Attribute ${key}`, value]),
    ...variants.map(({ sku, options, prices }): [string, string] => [
      `Variant ${sku}`,
      [...Object.entries(options).toSorted().map(([, value]) => value), ...Object.entries(prices).toSorted().map(([currency, amount]) => formatMoney({ amount, currency }))].join(', '),
    ]),
  ]
  return new Map(fields)
}

export interface Difference {
  field: string
  /** As it was when the form was opened. */
  before: string
  theirs: string
  mine: string
  /** Both have changed it, to different things. */
  both: boolean
}

/** What somebody else has changed since the form was opened, and what the form makes of the same. */
export function differences(base: Product, mine: Product, theirs: Product): Difference[] {
  const [was, here, there] = [described(base), described(mine), described(theirs)]
  const fields = [...new Set([...was.keys(), ...there.keys()])].filter((field) => was.get(field) !== there.get(field))
  return fields.map((field) => {
    const [before = '', ours = '', other = ''] = [was.get(field), here.get(field), there.get(field)]
    return { field, before, theirs: other, mine: ours, both: ours !== before && ours !== other }
  })
}

/** Both changes in one: mine where I changed something, theirs where only they did. */
export function merge(base: Product, mine: Product, theirs: Product): Product {
  const pick = <Name extends keyof Product>(name: Name): Product[Name] => (changed(base[name], mine[name]) ? mine[name] : theirs[name])
  return {
    slug: pick('slug'),
    name: pick('name'),
    brand: pick('brand'),
    category: pick('category'),
    description: pick('description'),
    status: pick('status'),
    images: pick('images'),
    attributes: mergeKeyed(base.attributes, mine.attributes, theirs.attributes),
    variants: Object.values(mergeKeyed(bySku(base), bySku(mine), bySku(theirs))),
  }
}

const bySku = ({ variants }: Product) => Object.fromEntries(variants.map((variant) => [variant.sku, variant]))

function mergeKeyed<T>(base: Record<string, T>, mine: Record<string, T>, theirs: Record<string, T>): Record<string, T> {
  const keys = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])]
  const kept = keys.map((key) => [key, changed(base[key], mine[key]) ? mine[key] : theirs[key]] as const)
  return Object.fromEntries(kept.filter((pair): pair is [string, T] => pair[1] !== undefined))
}

/** Whether two values differ. The order in which an object names its fields says nothing. */
function changed(a: unknown, b: unknown): boolean {
  return JSON.stringify(a, sorted) !== JSON.stringify(b, sorted)
}

function sorted(_: string, value: unknown): unknown {
  return value instanceof Object && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value
}
