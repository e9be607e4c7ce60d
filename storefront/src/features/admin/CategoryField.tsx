import type { StaffCategory } from '@/api/types'
import { SelectField } from '@/ui/Field'

interface Props {
  label: string
  name: string
  /** All of them, each behind the one that it is part of. */
  categories: StaffCategory[]
  value: string
  onChange?: (slug: string) => void
  /** What no choice is called. */
  none?: string
  required?: boolean
}

/** A choice from the tree of categories. */
export function CategoryField({ label, name, categories, value, onChange, none = 'Choose one', required = false }: Props) {
  const choice = onChange ? { value, onChange: (event: { target: { value: string } }) => onChange(event.target.value) } : { defaultValue: value }
  return (
    <SelectField label={label} name={name} required={required} {...choice}>
      <option value="">{none}</option>
      {categories.map((category) => (
        <option key={category.slug} value={category.slug}>
          {'\u00A0\u00A0'.repeat(depth(categories, category))}
          {category.name}
        </option>
      ))}
    </SelectField>
  )
}

/** How many categories a category is part of, one within the other. */
export function depth(categories: StaffCategory[], category: StaffCategory): number {
  let steps = 0
  for (let at = category; at.parent && steps < categories.length; steps += 1) {
    const above = categories.find(({ slug }) => slug === at.parent)
    if (!above) break
    at = above
  }
  return steps
}
