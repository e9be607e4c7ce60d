import { ProblemError, sentence } from '@/api/client'

const problems: Record<string, string> = {
  'invalid-coupon': 'We do not know this code. Look for a typing error.',
  'coupon-expired': 'This coupon is not valid at the moment. It may have ended.',
  'coupon-used-up': 'This coupon has been used as often as it can be.',
  'coupon-minimum': 'Your basket is not yet worth enough for this coupon.',
}

/** Why a coupon gives nothing, by its problem code. */
export function couponProblem(code: string | undefined): string {
  return problems[code ?? ''] ?? 'This coupon cannot be used.'
}

/** Why a coupon was refused. Of the least value of a basket the shop's own words know more. */
export function couponRefusal(error: Error): string {
  const known = error instanceof ProblemError && error.code in problems && error.code !== 'coupon-minimum'
  return known ? couponProblem(error.code) : sentence(error)
}
