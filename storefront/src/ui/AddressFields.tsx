import { countries } from './countries'
import { Field, SelectField } from './Field'
import styles from './AddressFields.module.css'

/** A postal address as a form holds it. */
export interface AddressValue {
  name: string
  line1: string
  line2?: string
  city: string
  region?: string
  postalCode: string
  country: string
}

export const emptyAddress: AddressValue = { name: '', line1: '', city: '', postalCode: '', country: 'DE' }

const choices = countries('en')

/** The fields of an address, named `<prefix>name`, `<prefix>line1` and so on. */
export function AddressFields({ prefix = '', value = emptyAddress }: { prefix?: string; value?: AddressValue | undefined }) {
  return (
    <div className={styles.grid}>
      <Field className={styles.wide} label="Full name" name={`${prefix}name`} autoComplete="name" required maxLength={100} defaultValue={value.name} />
      <Field label="Street and number" name={`${prefix}line1`} autoComplete="address-line1" required maxLength={100} defaultValue={value.line1} />
      <Field label="Apartment, floor, c/o" name={`${prefix}line2`} autoComplete="address-line2" maxLength={100} defaultValue={value.line2} />
      <Field label="Postal code" name={`${prefix}postalCode`} autoComplete="postal-code" required maxLength={20} defaultValue={value.postalCode} />
      <Field label="City" name={`${prefix}city`} autoComplete="address-level2" required maxLength={100} defaultValue={value.city} />
      <Field label="State or region" name={`${prefix}region`} autoComplete="address-level1" maxLength={100} defaultValue={value.region} />
      <SelectField label="Country" name={`${prefix}country`} autoComplete="country" required defaultValue={value.country}>
        {choices.map(({ code, name }) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </SelectField>
    </div>
  )
}

/** Reads the address back out of a form's values. */
export function readAddress(values: Record<string, string>, prefix = ''): AddressValue {
  const of = (name: string) => values[prefix + name] ?? ''
  return {
    name: of('name'),
    line1: of('line1'),
    ...(of('line2') ? { line2: of('line2') } : {}),
    city: of('city'),
    ...(of('region') ? { region: of('region') } : {}),
    postalCode: of('postalCode'),
    country: of('country'),
  }
}

/** An address as on an envelope. */
export function PostalAddress({ value }: { value: AddressValue }) {
  const country = choices.find(({ code }) => code === value.country)?.name ?? value.country
  const lines = [value.name, value.line1, value.line2, `${value.postalCode} ${value.city}`, value.region, country]
  return <address className={styles.envelope}>{lines.filter(Boolean).join('\n')}</address>
}
