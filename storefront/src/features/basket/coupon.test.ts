import { expect, it } from 'vitest'
import { ProblemError } from '@/api/client'
import { couponProblem, couponRefusal } from './coupon'

const refused = (code: string, detail: string) => new ProblemError({ type: '', title: 'Unprocessable Entity', status: 422, code, detail })

it.each([
  ['coupon-expired', 'This coupon is not valid at the moment. It may have ended.'],
  ['coupon-used-up', 'This coupon has been used as often as it can be.'],
  ['something-new', 'This coupon cannot be used.'],
  [undefined, 'This coupon cannot be used.'],
])('explains a coupon that lost its validity: %s', (code, expected) => expect(couponProblem(code)).toBe(expected))

it.each([
  [refused('invalid-coupon', 'no'), 'We do not know this code. Look for a typing error.'],
  [refused('coupon-minimum', 'Your basket must be worth at least €50.00.'), 'Your basket must be worth at least €50.00.'],
  [refused('too-many-requests', 'Try again in a minute.'), 'Try again in a minute.'],
  [new TypeError('Failed to fetch'), 'The shop cannot be reached. Check your connection and try again.'],
])('explains a refused coupon: %s', (error, expected) => expect(couponRefusal(error)).toBe(expected))
