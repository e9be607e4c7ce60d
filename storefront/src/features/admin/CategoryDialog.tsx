import { useState } from 'react'
import type { AttributeDefinition, StaffCategory } from '@/api/types'
import { Button } from '@/ui/Button'
import { CheckField, Field, SelectField, TextField } from '@/ui/Field'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import styles from './admin.module.css'
import { CategoryField } from './CategoryField'
import { useSaveCategory } from './catalogQueries'
import { possibleParents, readCategory } from './categoryForm'
import { ImageField } from './ImageField'
import { slugOf } from './productForm'
import { useRows } from './rows'

interface Props {
  categories: StaffCategory[]
  /** Absent for a new one. */
  category?: StaffCategory
  /** Slug of the category that it is part of; empty at the top. */
  parent: string
  onClose: () => void
}

const kinds: Record<AttributeDefinition['kind'], string> = { text: 'Text', number: 'Number', choice: 'Choice' }

/** Makes a category, or changes one. */
export function CategoryDialog({ categories, category, parent, onClose }: Props) {
  const { mutate, isPending, error } = useSaveCategory(category?.slug, category?.version ?? 0)
  const [name, setName] = useState('')
  const [slug, setSlug] = useState<string>()
  const [images, setImages] = useState(category?.image ? [category.image] : [])
  const attributes = useRows<AttributeDefinition>(category?.attributes ?? [])
  const [refused, setRefused] = useState<Record<string, string>>()
  const toast = useToast()

  function submit(values: Record<string, string>) {
    const read = readCategory({ ...values, ...(category ? { slug: category.slug } : {}) }, attributes.rows.length, images[0])
    setRefused('refused' in read ? read.refused : undefined)
    if ('refused' in read) return
    // What does not move keeps its place among its siblings.
    const stays = category !== undefined && (category.parent ?? '') === (read.category.parent ?? '')
    mutate(
      { ...read.category, ...(stays ? { position: category.position } : {}) },
      {
        onSuccess: () => {
          toast({ text: `${read.category.name} is saved.` })
          onClose()
        },
      },
    )
  }

  return (
    <ActionDialog title={category ? `Edit ${category.name}` : 'New category'} action={category ? 'Save category' : 'Create category'} busy={isPending} error={error} refused={refused} onClose={onClose} onSubmit={submit}>
      <Field label="Name" name="name" required maxLength={100} autoComplete="off" defaultValue={category?.name} {...(category ? {} : { onChange: (event) => setName(event.target.value) })} />
      {!category && <Field label="Address" name="slug" required maxLength={100} autoComplete="off" value={slug ?? slugOf(name)} onChange={(event) => setSlug(event.target.value)} hint="Small letters, digits and hyphens. It stays as it is." />}
      <CategoryField label="Part of" name="parent" categories={possibleParents(categories, category?.slug)} value={parent} none="Nothing, it stands at the top" />
      <TextField label="Description" name="description" rows={2} maxLength={1000} defaultValue={category?.description} />
      <ImageField label="Picture" value={images} onChange={setImages} />
      <fieldset className={styles.stack}>
        <legend>Attributes of its products</legend>
        {attributes.rows.map(({ key, value }, index) => (
          <div key={key} role="group" aria-label={`Attribute ${index + 1}`} className={styles.row}>
            <div className={styles.pair}>
              <Field label="Name of the attribute" optional={false} name={`attributes.${index}.name`} maxLength={50} autoComplete="off" defaultValue={value.name} />
              <SelectField label="Kind" name={`attributes.${index}.kind`} value={value.kind} onChange={(event) => attributes.change(key, { ...value, kind: event.target.value as AttributeDefinition['kind'] })}>
                {Object.entries(kinds).map(([kind, word]) => (
                  <option key={kind} value={kind}>
                    {word}
                  </option>
                ))}
              </SelectField>
            </div>
            {value.kind === 'choice' && <TextField label="Choices" required name={`attributes.${index}.choices`} rows={3} defaultValue={value.choices?.join('\n')} hint="One in each line." />}
            <div className={styles.actions}>
              <CheckField label="Shoppers can filter by it" name={`attributes.${index}.facet`} defaultChecked={value.facet} />
              <Button look="quiet" aria-label={`Remove attribute ${index + 1}`} onClick={() => attributes.remove(key)}>
                Remove
              </Button>
            </div>
          </div>
        ))}
        <Button look="secondary" className={styles.start} onClick={() => attributes.add({ name: '', kind: 'text', facet: true })}>
          Add attribute
        </Button>
      </fieldset>
    </ActionDialog>
  )
}
