import type { AttributeDefinition, CategoryDraft, StaffCategory } from '@/api/types'

type Values = Record<string, string>

/** Reads the form of a category: the category, or what is wrong by field. */
export function readCategory(values: Values, attributes: number, image: string | undefined): { category: CategoryDraft } | { refused: Values } {
  const refused: Values = {}
  const of = (name: string) => values[name] ?? ''
  const definitions: AttributeDefinition[] = []
  for (let index = 0; index < attributes; index += 1) {
    const [name, kind] = [of(`attributes.${index}.name`), of(`attributes.${index}.kind`) as AttributeDefinition['kind']]
    const choices = [...new Set(of(`attributes.${index}.choices`).split('\n').map((line) => line.trim()).filter(Boolean))]
    if (name === '') continue
    if (definitions.some((other) => other.name === name)) refused[`attributes.${index}.name`] = `${name} is there already.`
    if (kind === 'choice' && choices.length === 0) refused[`attributes.${index}.choices`] = 'Enter what there is to choose from.'
    definitions.push({ name, kind, facet: of(`attributes.${index}.facet`) !== '', ...(kind === 'choice' ? { choices } : {}) })
  }
  if (Object.keys(refused).length > 0) return { refused }
  return {
    category: {
      slug: of('slug'),
      name: of('name'),
      description: of('description'),
      ...(image ? { image } : {}),
      ...(of('parent') ? { parent: of('parent') } : {}),
      attributes: definitions,
    },
  }
}

/** What a category is without what only the shop sets. */
export function categoryDraft({ slug, name, description, image, parent, attributes }: StaffCategory): CategoryDraft {
  return { slug, name, description, attributes, ...(image ? { image } : {}), ...(parent ? { parent } : {}) }
}

/** The categories that a category may become part of: all but itself and those within it. */
export function possibleParents(categories: StaffCategory[], slug: string | undefined): StaffCategory[] {
  const within = new Set(slug === undefined ? [] : [slug])
  for (let grown = true; grown; ) {
    const more = categories.filter((category) => category.parent && within.has(category.parent) && !within.has(category.slug))
    for (const category of more) within.add(category.slug)
    grown = more.length > 0
  }
  return categories.filter((category) => !within.has(category.slug))
}
