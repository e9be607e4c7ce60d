import { useMutation } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { call, changedMeanwhile, formErrors } from '@/api/client'
import { currencies } from '@/api/currency'
import type { AttributeDefinition, StaffCategory, StaffProduct } from '@/api/types'
import { Button } from '@/ui/Button'
import { Field, SelectField, TextField } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { plainMoney } from '@/ui/money'
import { useToast } from '@/ui/Toast'
import styles from './admin.module.css'
import { CategoryField } from './CategoryField'
import { useAddProduct, useSaveProduct } from './catalogQueries'
import { ConflictDialog } from './ConflictDialog'
import { ImageField } from './ImageField'
import { definitionsFor, draftOf, optionNames, placeRefused, readProduct, slugOf, type Product, type Shape } from './productForm'
import { useRows } from './rows'
import { useUnsaved } from './unsaved'
import { productStatuses, productWords } from './words'

interface Props {
  product: StaffProduct
  categories: StaffCategory[]
  readOnly: boolean
}

/**
 * Changes a product. What is saved is compared with the version that the form was opened with; if somebody else was faster, their
 * changes are shown before anything is written over.
 */
export function ProductEditor({ product, categories, readOnly }: Props) {
  const [base, setBase] = useState(product)
  // A form holds what was typed; another base needs another form.
  const [form, setForm] = useState(0)
  const [conflict, setConflict] = useState<{ mine: Product; theirs: StaffProduct } | null>(null)
  const save = useSaveProduct(base.id)
  const look = useMutation({ mutationFn: () => call('get', '/api/v1/admin/products/{id}', { path: { id: base.id } }) })
  const toast = useToast()
  const { touch, settle, question } = useUnsaved()

  function submit(draft: Product, version: number, renew: boolean) {
    save.mutate(
      { draft, version },
      {
        onSuccess: (saved) => {
          toast({ text: `${saved.name} is saved.` })
          open(saved, renew)
        },
        onError: (error) => {
          if (changedMeanwhile(error)) look.mutate(undefined, { onSuccess: (theirs) => setConflict({ mine: draft, theirs }) })
        },
      },
    )
  }

  function open(next: StaffProduct, renew: boolean) {
    settle()
    setConflict(null)
    setBase(next)
    if (renew) setForm((now) => now + 1)
  }

  return (
    <>
      <ProductForm
        key={form}
        product={draftOf(base)}
        categories={categories}
        readOnly={readOnly}
        busy={save.isPending || look.isPending}
        error={conflict ? null : (look.error ?? save.error)}
        action="Save product"
        onTouch={touch}
        onSubmit={(draft) => submit(draft, base.version, false)}
      />
      {conflict && (
        <ConflictDialog
          base={draftOf(base)}
          mine={conflict.mine}
          theirs={conflict.theirs}
          busy={save.isPending}
          error={changedMeanwhile(save.error) ? null : save.error}
          onMerge={(merged) => submit(merged, conflict.theirs.version, true)}
          onDiscard={() => open(conflict.theirs, true)}
          onClose={() => setConflict(null)}
        />
      )}
      {question}
    </>
  )
}

const nothing: Product = { slug: '', name: '', brand: '', category: '', description: '', attributes: {}, images: [], status: 'draft', variants: [] }

/** Makes a product. */
export function NewProduct({ categories, onDone }: { categories: StaffCategory[]; onDone: (product: StaffProduct) => void }) {
  const add = useAddProduct()
  const { touch, settle, question } = useUnsaved()

  function done(product: StaffProduct) {
    settle()
    onDone(product)
  }

  return (
    <>
      <ProductForm
        product={nothing}
        isNew
        categories={categories}
        readOnly={false}
        busy={add.isPending}
        error={add.error}
        action="Create product"
        onTouch={touch}
        onSubmit={(draft) => add.mutate(draft, { onSuccess: done })}
      />
      {question}
    </>
  )
}

interface FormProps {
  product: Product
  isNew?: boolean
  categories: StaffCategory[]
  readOnly: boolean
  busy: boolean
  error: unknown
  action: string
  /** Called whenever something is changed. */
  onTouch: () => void
  onSubmit: (product: Product) => void
}

function ProductForm({ product, isNew = false, categories, readOnly, busy, error, action, onTouch, onSubmit }: FormProps) {
  const [category, setCategory] = useState(product.category)
  const [images, setImages] = useState(product.images)
  const [slug, setSlug] = useState<string>()
  const [name, setName] = useState('')
  const options = useRows(optionNames(product.variants))
  const variants = useRows(product.variants.length > 0 ? product.variants : [emptyVariant])
  const defined = definitionsFor(categories, category)
  const own = new Set(defined.map((one) => one.name))
  const others = useRows(Object.entries(product.attributes).filter(([key]) => !own.has(key)))
  const [refused, setRefused] = useState<Record<string, string>>()
  const [sent, setSent] = useState<{ values: Record<string, string>; shape: Shape }>()
  const shape = { options: options.rows.length, variants: variants.rows.length, others: others.rows.length, defined, images }
  // The same object as long as the answer is the same: a form puts the focus on what is newly refused.
  const answer = useMemo(() => {
    const { refused: fields, problem } = formErrors(error)
    return fields && sent ? placeRefused(fields, sent.values, sent.shape) : { problem }
  }, [error, sent])

  function submit(values: Record<string, string>) {
    if (busy) return
    const read = readProduct(values, shape)
    setSent({ values, shape })
    setRefused('refused' in read ? read.refused : undefined)
    if ('product' in read) onSubmit(read.product)
  }

  function removeRow(rows: { remove: (key: string) => void }, key: string) {
    onTouch()
    rows.remove(key)
  }

  return (
    <Form {...(refused ? { refused } : answer)} onChange={onTouch} onSubmit={submit}>
      <fieldset disabled={readOnly} className={styles.columns}>
        <div className={styles.stack}>
          <section className={styles.panel} aria-labelledby="basics">
            <h2 id="basics">What it is</h2>
            <Field label="Name" name="name" required maxLength={200} autoComplete="off" defaultValue={product.name} {...(isNew ? { onChange: (event) => setName(event.target.value) } : {})} />
            <div className={styles.pair}>
              <Field label="Brand" name="brand" required maxLength={100} autoComplete="off" defaultValue={product.brand} />
              {isNew ? (
                <Field label="Address" name="slug" required maxLength={100} autoComplete="off" value={slug ?? slugOf(name)} onChange={(event) => setSlug(event.target.value)} hint="Small letters, digits and hyphens." />
              ) : (
                <Field label="Address" name="slug" required maxLength={100} autoComplete="off" defaultValue={product.slug} hint="Links to the old one lead nowhere if it changes." />
              )}
            </div>
            <TextField label="Description" name="description" rows={5} maxLength={10_000} defaultValue={product.description} />
          </section>
          <section className={styles.panel}>
            <ImageField
              label="Pictures"
              multiple
              value={images}
              onChange={(change) => {
                onTouch()
                setImages(change)
              }}
            />
          </section>
          <section className={styles.panel} aria-labelledby="variants">
            <h2 id="variants">Variants and prices</h2>
            <p className={styles.muted}>A product without options has one variant. A currency without a price is not sold in.</p>
            {options.rows.length > 0 && (
              <ul aria-label="Options" className={styles.grid}>
                {options.rows.map(({ key, value }, index) => (
                  <li key={key} className={styles.withButton}>
                    <Field label={`Option ${index + 1}`} optional={false} name={`options.${index}`} maxLength={50} autoComplete="off" defaultValue={value} placeholder="Size" onChange={(event) => options.change(key, event.target.value)} />
                    <Button look="quiet" aria-label={`Remove option ${value || index + 1}`} onClick={() => removeRow(options, key)}>
                      Remove
                    </Button>
                  </li>
                ))}
              </ul>
            )}
            <Button look="secondary" className={styles.start} onClick={() => options.add('')}>
              Add option
            </Button>
            {variants.rows.map(({ key, value: variant }, index) => (
              <fieldset key={key} className={styles.row}>
                <legend>Variant {index + 1}</legend>
                <div className={styles.pair}>
                  <Field label="SKU" name={`variants.${index}.sku`} required maxLength={64} autoComplete="off" autoCapitalize="characters" defaultValue={variant.sku} />
                  {options.rows.map((option, at) => (
                    <Field key={option.key} label={option.value || `Option ${at + 1}`} optional={false} name={`variants.${index}.options.${at}`} maxLength={100} autoComplete="off" defaultValue={variant.options[option.value]} />
                  ))}
                </div>
                <div className={styles.grid}>
                  {currencies.map((currency) => {
                    const amount = variant.prices[currency]
                    return (
                      <Field
                        key={currency}
                        label={`Price in ${currency}`}
                        optional={false}
                        name={`variants.${index}.prices.${currency}`}
                        inputMode="decimal"
                        autoComplete="off"
                        maxLength={14}
                        defaultValue={amount === undefined ? '' : plainMoney({ amount, currency })}
                      />
                    )
                  })}
                </div>
                <Button look="quiet" className={styles.start} aria-label={`Remove variant ${index + 1}`} onClick={() => removeRow(variants, key)}>
                  Remove variant
                </Button>
              </fieldset>
            ))}
            <Button look="secondary" className={styles.start} onClick={() => variants.add(emptyVariant)}>
              Add variant
            </Button>
          </section>
        </div>
        <div className={styles.stack}>
          <section className={styles.panel} aria-labelledby="place">
            <h2 id="place">Where it stands</h2>
            <SelectField label="Status" name="status" defaultValue={product.status} hint="Shoppers see active products alone.">
              {productStatuses.map((status) => (
                <option key={status} value={status}>
                  {productWords[status].name}
                </option>
              ))}
            </SelectField>
            <CategoryField label="Category" name="category" required categories={categories} value={category} onChange={setCategory} />
          </section>
          <section className={styles.panel} aria-labelledby="attributes">
            <h2 id="attributes">Attributes</h2>
            {defined.map((definition) => (
              <AttributeField key={`${category} ${definition.name}`} definition={definition} value={product.attributes[definition.name]} />
            ))}
            {others.rows.map(({ key, value: [other, value] }, index) => (
              <div key={key} role="group" aria-label={other || `Attribute ${index + 1}`} className={styles.row}>
                <Field label="Name of the attribute" optional={false} name={`others.${index}.name`} maxLength={50} autoComplete="off" defaultValue={other} />
                <Field label="Value" optional={false} name={`others.${index}.value`} maxLength={500} autoComplete="off" defaultValue={value} />
                <Button look="quiet" className={styles.start} aria-label={`Remove attribute ${other || index + 1}`} onClick={() => removeRow(others, key)}>
                  Remove
                </Button>
              </div>
            ))}
            <Button look="secondary" className={styles.start} onClick={() => others.add(['', ''])}>
              Add attribute
            </Button>
          </section>
        </div>
        {!readOnly && (
          <div className={styles.save}>
            <Button type="submit" busy={busy}>
              {action}
            </Button>
          </div>
        )}
      </fieldset>
    </Form>
  )
}

const emptyVariant: Product['variants'][number] = { sku: '', options: {}, prices: {} }

/** What a category wants to know of its products. */
function AttributeField({ definition: { name, kind, choices }, value }: { definition: AttributeDefinition; value: string | undefined }) {
  const field = `attributes.${name}`
  if (kind !== 'choice') return <Field label={name} name={field} maxLength={500} autoComplete="off" inputMode={kind === 'number' ? 'decimal' : 'text'} defaultValue={value} />
  return (
    <SelectField label={name} name={field} defaultValue={value ?? ''}>
      <option value="">Not said</option>
      {choices?.map((choice) => (
        <option key={choice}>{choice}</option>
      ))}
    </SelectField>
  )
}
