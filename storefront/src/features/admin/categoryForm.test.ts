import { expect, it } from 'vitest'
import type { StaffCategory } from '@/api/types'
import { categoryDraft, possibleParents, readCategory } from './categoryForm'

const typed = {
  slug: 'teapots',
  name: 'Teapots',
  description: 'For cooks',
  parent: 'kitchen',
  'attributes.0.name': 'Material',
  'attributes.0.kind': 'choice',
  'attributes.0.choices': 'Enamel\n Glass \n\nEnamel',
  'attributes.0.facet': 'on',
  'attributes.1.name': 'Capacity',
  'attributes.1.kind': 'number',
  'attributes.2.name': '',
}

it('reads a category and leaves out rows without a name', () => {
  expect(readCategory(typed, 3, 'teapot.webp')).toEqual({
    category: {
      slug: 'teapots',
      name: 'Teapots',
      description: 'For cooks',
      image: 'teapot.webp',
      parent: 'kitchen',
      attributes: [
        { name: 'Material', kind: 'choice', choices: ['Enamel', 'Glass'], facet: true },
        { name: 'Capacity', kind: 'number', facet: false },
      ],
    },
  })
})

it.each([
  [{ 'attributes.1.name': 'Material' }, 'attributes.1.name'],
  [{ 'attributes.0.choices': ' \n' }, 'attributes.0.choices'],
])('refuses %j', (change, field) => {
  expect(readCategory({ ...typed, ...change }, 3, undefined)).toEqual({ refused: { [field]: expect.any(String) as string } })
})

const category = (slug: string, parent?: string): StaffCategory => ({ slug, name: slug, description: '', image: '', position: 0, products: 0, version: 1, attributes: [], ...(parent ? { parent } : {}) })
const categories = [category('kitchen'), category('pots', 'kitchen'), category('teapots', 'pots'), category('garden')]

it.each([
  [undefined, ['kitchen', 'pots', 'teapots', 'garden']],
  ['kitchen', ['garden']],
  ['pots', ['kitchen', 'garden']],
  ['teapots', ['kitchen', 'pots', 'garden']],
])('offers %s no place within itself', (slug, expected) => {
  expect(possibleParents(categories, slug).map((one) => one.slug)).toEqual(expected)
})

it('keeps a category at the top without a parent', () => {
  expect(categoryDraft(category('garden'))).toEqual({ slug: 'garden', name: 'garden', description: '', attributes: [] })
})
