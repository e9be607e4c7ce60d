import type { Variant } from '@/api/types'

export interface OptionValue {
  value: string
  /** The variant that choosing it leads to. */
  variant: Variant
  /** Other options that choosing it changes, since what is chosen of them does not come with it. */
  changes: string[]
}

export interface Option {
  name: string
  values: OptionValue[]
}

/**
 * The choices that lead to one of the variants. Where one option tells the variants apart, the others follow from it, and there is
 * one choice; else each option is a choice of its own, made beside what is chosen of the others.
 */
export function optionsOf(variants: Variant[], chosen: Variant): Option[] {
  const names = [...new Set(variants.flatMap(({ options }) => Object.keys(options ?? {})))]
  const distinct = (name: string) => new Set(variants.map(({ options }) => options?.[name])).size
  if (names.length < 2 || names.some((name) => distinct(name) === variants.length)) {
    return [{ name: names.join(' and ') || 'variant', values: variants.map((variant) => ({ value: Object.values(variant.options ?? {}).join(' · ') || variant.sku, variant, changes: [] })) }]
  }
  return names.map((name) => {
    const values = [...new Set(variants.map(({ options }) => options?.[name]).filter((value) => value !== undefined))]
    return { name, values: values.map((value) => lead(name, value, variants, chosen, names)) }
  })
}

/** Where choosing a value leads: to the variant that keeps the most of what is chosen, and that can be had if there is a choice. */
function lead(name: string, value: string, variants: Variant[], chosen: Variant, names: string[]): OptionValue {
  const changed = (variant: Variant) => names.filter((other) => other !== name && variant.options?.[other] !== chosen.options?.[other])
  const weight = (variant: Variant) => changed(variant).length * 2 + (variant.available === false ? 1 : 0)
  const [variant = chosen] = variants.filter(({ options }) => options?.[name] === value).toSorted((a, b) => weight(a) - weight(b))
  return { value, variant, changes: changed(variant) }
}
