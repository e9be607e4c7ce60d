import { currencies } from '@/api/currency'
import type { Coupon, CouponChange, NewCoupon } from '@/api/types'
import { parseDecimal, parseMoney, plainDecimal, plainMoney } from '@/ui/money'

type Values = Record<string, string>
export type CouponKind = NewCoupon['kind']

/** A coupon as its form sends it: a limit that was emptied is null, so that a change takes it away. */
export interface CouponInput {
  code: string
  kind: CouponKind
  description: string
  active: boolean
  percentBasisPoints?: number
  amounts?: Record<string, number>
  minimum: Record<string, number> | null
  validFrom: string | null
  validUntil: string | null
  /** 0: as many as there are. */
  maxUses: number
  maxUsesPerCustomer: number
}

/** Reads the form of a coupon: the coupon, or what is wrong by field. */
export function readCoupon(values: Values, kind: CouponKind): { coupon: CouponInput } | { refused: Values } {
  const refused: Values = {}

  const percent = parseDecimal(values.percent ?? '', 2)
  if (kind === 'percent' && (!percent || percent > 10_000)) refused.percent = 'Enter a percentage over 0 and up to 100.'
  const amounts = readAmounts(values, 'amounts', refused)
  if (kind === 'amount' && Object.keys(amounts).length + Object.keys(refused).length === 0) refused['amounts.EUR'] = 'Enter an amount in one currency at least.'
  const minimum = readAmounts(values, 'minimum', refused)
  const validFrom = readMoment(values.validFrom)
  const validUntil = readMoment(values.validUntil)
  if (validFrom && validUntil && validFrom >= validUntil) refused.validUntil = 'The end must come after the beginning.'
  const maxUses = readCount(values, 'maxUses', refused)
  const maxUsesPerCustomer = readCount(values, 'maxUsesPerCustomer', refused)

  if (Object.keys(refused).length > 0) return { refused }
  return {
    coupon: {
      code: (values.code ?? '').toUpperCase(),
      kind,
      description: values.description ?? '',
      active: values.active !== 'no',
      ...(kind === 'percent' && percent ? { percentBasisPoints: percent } : {}),
      ...(kind === 'amount' ? { amounts } : {}),
      minimum: Object.keys(minimum).length > 0 ? minimum : null,
      validFrom,
      validUntil,
      maxUses,
      maxUsesPerCustomer,
    },
  }
}

/** A new coupon has no limits to take away: what is null is left out. */
export function newCoupon(input: CouponInput): NewCoupon {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null)) as unknown as NewCoupon
}

/** A coupon keeps its code and its kind. */
export function couponChange({ code: _code, kind: _kind, ...change }: CouponInput): CouponChange {
  return change
}

/** The form's values of a coupon. */
export function couponValues(coupon: Coupon): Values {
  return {
    description: coupon.description ?? '',
    percent: coupon.percentBasisPoints === undefined ? '' : plainDecimal(coupon.percentBasisPoints, 2).replace(/\.?0+$/, ''),
    ...amountValues('amounts', coupon.amounts),
    ...amountValues('minimum', coupon.minimum),
    validFrom: localMoment(coupon.validFrom),
    validUntil: localMoment(coupon.validUntil),
    maxUses: String(coupon.maxUses || ''),
    maxUsesPerCustomer: String(coupon.maxUsesPerCustomer || ''),
    active: coupon.active ? 'yes' : 'no',
  }
}

function amountValues(name: string, amounts: Coupon['amounts']): Values {
  return Object.fromEntries(Object.entries(amounts ?? {}).map(([currency, amount]) => [`${name}.${currency}`, plainMoney({ amount, currency })]))
}

function readAmounts(values: Values, name: string, refused: Values): Record<string, number> {
  const found: Record<string, number> = {}
  for (const currency of currencies) {
    const text = values[`${name}.${currency}`]
    if (!text) continue
    const amount = parseMoney(text, currency)?.amount
    if (amount) found[currency] = amount
    else refused[`${name}.${currency}`] = `Enter an amount of ${currency}, or nothing.`
  }
  return found
}

function readCount(values: Values, name: string, refused: Values): number {
  const text = values[name]
  if (!text) return 0
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  refused[name] = 'Enter a whole number, or nothing.'
  return 0
}

/** The browser's field speaks of the time where somebody sits; the shop speaks UTC. */
function readMoment(text: string | undefined): string | null {
  return text ? new Date(text).toISOString() : null
}

function localMoment(at: Coupon['validFrom']): string {
  // In Sweden the local time is written as the field wants it, but for the T.
  return at ? new Date(at).toLocaleString('sv-SE').slice(0, 16).replace(' ', 'T') : ''
}
