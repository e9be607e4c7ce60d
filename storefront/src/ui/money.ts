/** An integer of minor units with its ISO 4217 code. */
export interface Amount {
  amount: number
  currency: string
}

/**
 * Writes an amount as people of the locale write it. The decimal point is set in the text of the integer: no amount ever
 * becomes a fraction, which a double could not hold exactly.
 */
export function formatMoney({ amount, currency }: Amount, locale?: string): string {
  const format = new Intl.NumberFormat(locale, { style: 'currency', currency })
  const digits = fractionDigits(currency)
  const text = String(Math.abs(amount)).padStart(digits + 1, '0')
  const whole = text.slice(0, text.length - digits)
  const fraction = text.slice(text.length - digits)
  return format.format(`${amount < 0 ? '-' : ''}${whole}${fraction && '.'}${fraction}` as Intl.StringNumericLiteral)
}

/** What is given rather than asked for, as a discount is. */
export function negative({ amount, currency }: Amount): Amount {
  return { amount: -amount, currency }
}

/** Reads what somebody typed, "12.50" or "12,5", as minor units of a currency; undefined if it is not an amount of that currency. */
export function parseMoney(text: string, currency: string): Amount | undefined {
  const amount = parseDecimal(text, fractionDigits(currency))
  return amount === undefined ? undefined : { amount, currency }
}

/** Reads a typed number of at most so many decimals as an integer of the smallest step, without a float on the way. */
export function parseDecimal(text: string, digits: number): number | undefined {
  const parts = /^(\d+)(?:[.,](\d+))?$/.exec(text.trim())
  const [, whole = '', fraction = ''] = parts ?? []
  if (!parts || fraction.length > digits) return undefined
  const steps = Number(whole + fraction.padEnd(digits, '0'))
  return Number.isSafeInteger(steps) ? steps : undefined
}

/** An amount as a form field holds it: `parseMoney` reads it back. */
export function plainMoney({ amount, currency }: Amount): string {
  return plainDecimal(amount, fractionDigits(currency))
}

/** What `parseDecimal` reads back. */
export function plainDecimal(steps: number, digits: number): string {
  const text = String(steps).padStart(digits + 1, '0')
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

function fractionDigits(currency: string): number {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
}
