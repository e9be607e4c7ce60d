import { expect, it } from 'vitest'
import { formatMoney, parseMoney, plainMoney } from './money'

it.each([
  [1999, 'EUR', 'en-IE', '€19.99'],
  [5, 'EUR', 'en-IE', '€0.05'],
  [0, 'USD', 'en-US', '$0.00'],
  [-1250, 'GBP', 'en-GB', '-£12.50'],
  [1999, 'JPY', 'en-US', '¥1,999'],
  [1999, 'KWD', 'en-US', 'KWD 1.999'],
  [123456789, 'EUR', 'de-DE', '1.234.567,89 €'],
])('writes %i %s for %s as %s', (amount, currency, locale, expected) => {
  expect(formatMoney({ amount, currency }, locale).replaceAll(/\s/g, ' ')).toBe(expected)
})

it('keeps the cents of amounts that a double could not hold as a fraction', () => {
  expect(formatMoney({ amount: 9007199254740991, currency: 'USD' }, 'en-US')).toBe('$90,071,992,547,409.91')
})

it.each([
  ['12.50', 'EUR', 1250],
  ['12,5', 'EUR', 1250],
  ['12', 'EUR', 1200],
  [' 0.05 ', 'EUR', 5],
  ['0.29', 'EUR', 29],
  ['1500', 'JPY', 1500],
  ['1.234', 'KWD', 1234],
  ['90071992547409.91', 'USD', 9007199254740991],
])('reads %j as %s', (text, currency, amount) => {
  expect(parseMoney(text, currency)).toEqual({ amount, currency })
})

it.each([
  ['', 'EUR'],
  ['-1', 'EUR'],
  ['1.234', 'EUR'],
  ['1.5', 'JPY'],
  ['1e3', 'EUR'],
  ['1.234,50', 'EUR'],
  ['twelve', 'EUR'],
  ['90071992547409.92', 'USD'],
])('refuses %j as %s', (text, currency) => {
  expect(parseMoney(text, currency)).toBeUndefined()
})

it.each([
  [1250, 'EUR', '12.50'],
  [5, 'EUR', '0.05'],
  [1500, 'JPY', '1500'],
])('holds %i %s in a field as %s', (amount, currency, text) => {
  expect(plainMoney({ amount, currency })).toBe(text)
  expect(parseMoney(text, currency)).toEqual({ amount, currency })
})
