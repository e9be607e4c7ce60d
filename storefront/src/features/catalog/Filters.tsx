import { useQuery } from '@tanstack/react-query'
import { useId, useState, type ReactNode } from 'react'
import { Link } from 'react-router'
import { useCurrency } from '@/api/currency'
import type { Category, ProductList } from '@/api/types'
import { Button } from '@/ui/Button'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { parseMoney, plainMoney } from '@/ui/money'
import { Rating } from '@/ui/Rating'
import { changeFilter, toggle, writeFilter } from './filter'
import { categoriesQuery, categoryPath, type Filter } from './queries'
import { priceWords } from './words'
import styles from './Filters.module.css'

interface Props {
  filter: Filter
  /** What each choice would show; absent until the first list has arrived. */
  facets: ProductList['facets'] | undefined
  onChange: (filter: Filter) => void
}

/** How many attributes are unfolded at first. */
const openAttributes = 3

/** What a list can be narrowed by, each choice with how many products it shows. */
export function Filters({ filter, facets, onChange }: Props) {
  const change = (values: Parameters<typeof changeFilter>[1]) => onChange(changeFilter(filter, values))
  const { brand = [], attribute = [], inStock } = filter
  return (
    <div className={styles.filters}>
      <CategoryTree filter={filter} facets={facets} />
      {facets && (
        <>
          <Choices title="Brand" choices={facets.brands} chosen={brand} onToggle={(value) => change({ brand: toggle(brand, value) })} />
          <Prices filter={filter} ranges={facets.prices} onChange={change} />
          <Ratings filter={filter} ratings={facets.ratings} onChange={change} />
          <Group title="Availability">
            <ul>
              <Choice name="In stock" count={facets.inStock.count} checked={inStock ?? false} onChange={(checked) => change({ inStock: checked || undefined })} />
            </ul>
          </Group>
          {facets.attributes.map(({ name, values }, index) => (
            <Choices
              key={name}
              title={name}
              folded={index >= openAttributes && !attribute.some((one) => one.startsWith(`${name}:`))}
              choices={values.map(({ value, count }) => ({ value: `${name}:${value}`, name: value, count }))}
              chosen={attribute.filter((one) => one.startsWith(`${name}:`))}
              onToggle={(value) => change({ attribute: toggle(attribute, value) })}
            />
          ))}
        </>
      )}
    </div>
  )
}

/** A part of the filters, which can be folded. */
function Group({ title, folded = false, children }: { title: string; folded?: boolean; children: ReactNode }) {
  return (
    <details open={!folded} className={styles.group}>
      <summary>
        <h3>{title}</h3>
      </summary>
      <div role="group" aria-label={title} className={styles.body}>
        {children}
      </div>
    </details>
  )
}

/** The top of the tree, and the branch that is chosen. Categories in which nothing would be shown are left out. */
function CategoryTree({ filter, facets }: Pick<Props, 'filter' | 'facets'>) {
  const { data: categories = [] } = useQuery(categoriesQuery)
  const counts = facets && new Map(facets.categories.map(({ value, count }) => [value, count]))
  const path = new Set(categoryPath(categories, filter.category).map(({ slug }) => slug))
  const currency = useCurrency()
  // Attributes are those of a category; in another, most of them would show nothing.
  const link = (category: string | undefined) => ({ search: writeFilter(changeFilter(filter, { category, attribute: undefined }), currency).toString() })

  const branch = (level: Category[]) => (
    <ul>
      {level.map(({ slug, name, children = [] }) => {
        const open = path.has(slug)
        const count = counts?.get(slug) ?? 0
        if (counts && count === 0 && !open) return null
        return (
          <li key={slug}>
            <Link to={link(slug)} aria-current={filter.category === slug ? 'true' : undefined} data-open={open || undefined}>
              <span>{name}</span>
              {counts && <Count value={count} />}
            </Link>
            {open && children.length > 0 && branch(children)}
          </li>
        )
      })}
    </ul>
  )

  return (
    <Group title="Category">
      <nav aria-label="Categories" className={styles.tree}>
        <Link to={link(undefined)} aria-current={filter.category ? undefined : 'true'}>
          All categories
        </Link>
        {branch(categories)}
      </nav>
    </Group>
  )
}

interface ChoicesProps {
  title: string
  folded?: boolean
  choices: { value: string; name: string; count: number }[]
  chosen: string[]
  onToggle: (value: string) => void
}

/** How many choices are shown before somebody asks for the rest. */
const few = 7

function Choices({ title, folded = false, choices, chosen, onToggle }: ChoicesProps) {
  const [all, setAll] = useState(false)
  // What was chosen stays in sight, though nothing may be left of it.
  const gone = chosen.filter((value) => choices.every((choice) => choice.value !== value)).map((value) => ({ value, name: value.slice(value.indexOf(':') + 1), count: 0 }))
  const known = [...gone, ...choices]
  const shown = all ? known : known.filter(({ value }, index) => index < few || chosen.includes(value))
  if (known.length === 0) return null
  return (
    <Group title={title} folded={folded}>
      <ul>
        {shown.map(({ value, name, count }) => (
          <Choice key={value} name={name} count={count} checked={chosen.includes(value)} onChange={() => onToggle(value)} />
        ))}
      </ul>
      {known.length > few && (
        <button type="button" className={styles.all} aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show all ${known.length}`}
          <span className="visually-hidden">: {title}</span>
        </button>
      )}
    </Group>
  )
}

function Choice({ name, count, checked, onChange }: { name: string; count: number; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <li>
      <label className={styles.choice} data-empty={(count === 0 && !checked) || undefined}>
        <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
        <span>{name}</span>
        <Count value={count} />
      </label>
    </li>
  )
}

type Change = (values: Parameters<typeof changeFilter>[1]) => void

/** Ranges to choose from, and fields for any other. */
function Prices({ filter, ranges, onChange }: { filter: Filter; ranges: ProductList['facets']['prices']; onChange: Change }) {
  const currency = useCurrency()
  const { minPrice, maxPrice } = filter
  const [refused, setRefused] = useState<Record<string, string>>()
  const any = minPrice === undefined && maxPrice === undefined
  const typed = (amount: number | undefined) => (amount === undefined ? '' : plainMoney({ amount, currency }))
  const name = useId()

  function submit(values: Record<string, string>) {
    const [min, max] = [values.minPrice, values.maxPrice].map((text = '') => (text === '' ? undefined : parseMoney(text, currency)))
    const wrong = {
      ...(values.minPrice && !min ? { minPrice: `Enter an amount of ${currency}.` } : {}),
      ...(values.maxPrice && !max ? { maxPrice: `Enter an amount of ${currency}.` } : {}),
      ...(min && max && min.amount > max.amount ? { maxPrice: 'Enter more than the least price.' } : {}),
    }
    if (Object.keys(wrong).length > 0) return setRefused(wrong)
    setRefused(undefined)
    onChange({ minPrice: min?.amount, maxPrice: max?.amount })
  }

  return (
    <Group title="Price">
      <ul>
        {ranges.map(({ min, max, count }) => {
          const lower = min || undefined
          return (
            <li key={min}>
              <label className={styles.choice} data-empty={count === 0 || undefined}>
                <input type="radio" name={name} checked={any ? false : lower === minPrice && max === maxPrice} onChange={() => onChange({ minPrice: lower, maxPrice: max })} />
                <span>{priceWords(lower, max, currency)}</span>
                <Count value={count} />
              </label>
            </li>
          )
        })}
        <li>
          <label className={styles.choice}>
            <input type="radio" name={name} checked={any} onChange={() => onChange({ minPrice: undefined, maxPrice: undefined })} />
            <span>Any price</span>
          </label>
        </li>
      </ul>
      <Form key={`${currency} ${minPrice} ${maxPrice}`} aria-label="Price range" className={styles.range} refused={refused} onSubmit={submit}>
        <Field optional={false} label={`From, in ${currency}`} name="minPrice" inputMode="decimal" autoComplete="off" maxLength={12} defaultValue={typed(minPrice)} />
        <Field optional={false} label={`To, in ${currency}`} name="maxPrice" inputMode="decimal" autoComplete="off" maxLength={12} defaultValue={typed(maxPrice)} />
        <Button type="submit" look="secondary">
          Set price range
        </Button>
      </Form>
    </Group>
  )
}

function Ratings({ filter, ratings, onChange }: { filter: Filter; ratings: ProductList['facets']['ratings']; onChange: Change }) {
  const name = useId()
  if (ratings.length === 0) return null
  return (
    <Group title="Rating">
      <ul>
        {ratings.map(({ min, count }) => (
          <li key={min}>
            <label className={styles.choice} data-empty={count === 0 || undefined}>
              <input type="radio" name={name} checked={filter.minRating === min} onChange={() => onChange({ minRating: min })} />
              <span>
                <Rating value={min} bare /> and up
              </span>
              <Count value={count} />
            </label>
          </li>
        ))}
        <li>
          <label className={styles.choice}>
            <input type="radio" name={name} checked={filter.minRating === undefined} onChange={() => onChange({ minRating: undefined })} />
            <span>Any rating</span>
          </label>
        </li>
      </ul>
    </Group>
  )
}

function Count({ value }: { value: number }) {
  return <span className={styles.count}> {value}</span>
}
