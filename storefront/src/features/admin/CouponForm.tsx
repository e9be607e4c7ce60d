import { useState } from 'react'
import { formErrors } from '@/api/client'
import { currencies } from '@/api/currency'
import type { Coupon } from '@/api/types'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Field, SelectField } from '@/ui/Field'
import { Form } from '@/ui/Form'
import styles from './admin.module.css'
import { couponValues, readCoupon, type CouponKind } from './couponForm'
import { useSaveCoupon } from './queries'

const kinds: Record<CouponKind, string> = { percent: 'Percentage off', amount: 'Amount off', 'free-shipping': 'Free shipping' }

/** Makes a coupon, or changes the one that is given. Its code and its kind stay: orders tell of them. */
export function CouponForm({ coupon, onDone }: { coupon?: Coupon; onDone: (code: string) => void }) {
  const save = useSaveCoupon(coupon?.code)
  const [kind, setKind] = useState<CouponKind>(coupon?.kind ?? 'percent')
  const [refused, setRefused] = useState<Record<string, string>>()
  const [values] = useState<Record<string, string>>(() => (coupon ? couponValues(coupon) : {}))

  function submit(typed: Record<string, string>) {
    const read = readCoupon({ ...typed, ...(coupon ? { code: coupon.code } : {}) }, kind)
    setRefused('refused' in read ? read.refused : undefined)
    if ('refused' in read || save.isPending) return
    save.mutate(read.coupon, { onSuccess: () => onDone(read.coupon.code) })
  }

  return (
    <Form className={styles.form} {...(refused ? { refused } : named(formErrors(save.error)))} onSubmit={submit}>
      {!coupon && <Field label="Code" name="code" required minLength={3} maxLength={32} pattern="[A-Za-z0-9][A-Za-z0-9_\-]*" autoComplete="off" autoCapitalize="characters" hint="What customers type. Letters, digits, hyphens and underscores." />}
      <Field label="Description" name="description" maxLength={200} defaultValue={values.description} hint="Customers read it beside the code." />
      {!coupon && (
        <SelectField label="Kind" name="kind" value={kind} onChange={(event) => setKind(event.target.value as CouponKind)}>
          {Object.entries(kinds).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </SelectField>
      )}
      {kind === 'percent' && <Field label="Percentage" name="percent" required inputMode="decimal" autoComplete="off" defaultValue={values.percent} />}
      {kind === 'amount' && <Amounts title="Amount off" name="amounts" values={values} hint="A currency without an amount cannot use the coupon." />}
      <Amounts title="Least value of the basket" name="minimum" values={values} />
      <div className={styles.pair}>
        <Field label="Valid from" name="validFrom" type="datetime-local" defaultValue={values.validFrom} />
        <Field label="Valid until" name="validUntil" type="datetime-local" defaultValue={values.validUntil} />
      </div>
      <div className={styles.pair}>
        <Field label="Uses in all" name="maxUses" inputMode="numeric" autoComplete="off" defaultValue={values.maxUses} />
        <Field label="Uses per customer" name="maxUsesPerCustomer" inputMode="numeric" autoComplete="off" defaultValue={values.maxUsesPerCustomer} />
      </div>
      <SelectField label="State" name="active" defaultValue={values.active ?? 'yes'}>
        <option value="yes">Active</option>
        <option value="no">Off</option>
      </SelectField>
      <div className={styles.actions}>
        <Button type="submit" busy={save.isPending}>
          {coupon ? 'Save coupon' : 'Create coupon'}
        </Button>
        <ButtonLink look="secondary" to={paths.admin.coupons}>
          Back
        </ButtonLink>
      </div>
    </Form>
  )
}

function Amounts({ title, name, values, hint }: { title: string; name: string; values: Record<string, string>; hint?: string }) {
  return (
    <fieldset>
      <legend>{title}</legend>
      <div className={styles.grid}>
        {currencies.map((currency) => (
          <Field key={currency} optional={false} label={currency} name={`${name}.${currency}`} inputMode="decimal" autoComplete="off" defaultValue={values[`${name}.${currency}`]} />
        ))}
      </div>
      {hint && <p className={styles.muted}>{hint}</p>}
    </fieldset>
  )
}

/** The shop's name of the percentage is another than the field's, whose unit is another. */
function named({ refused, ...rest }: ReturnType<typeof formErrors>) {
  return refused ? { refused: Object.fromEntries(Object.entries(refused).map(([field, detail]) => [field === 'percentBasisPoints' ? 'percent' : field, detail])) } : rest
}
