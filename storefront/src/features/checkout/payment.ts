import type { CheckoutRequest, PaymentMethod } from '@/api/types'

/** The cards of Stripe's test mode that the payment step offers; live, Stripe Elements stands there and hands over the method. */
const cards = [
  { method: 'pm_card_visa', name: 'Card that is approved', number: 'Visa •••• 4242', effect: 'The payment goes through at once.' },
  { method: 'pm_card_visa_chargeDeclined', name: 'Card that is declined', number: 'Visa •••• 0002', effect: 'The bank says no and the order is closed.' },
  { method: 'pm_card_threeDSecure2Required', name: 'Card with 3-D Secure', number: 'Visa •••• 3220', effect: 'Your bank asks you to confirm.' },
]

type Payment = CheckoutRequest['payment']

interface Choice {
  /** The value of its radio button. */
  value: string
  payment: Payment
  name: string
  number?: string
  effect?: string
  /** False while the provider does not answer. */
  available: boolean
}

/** What stands in the payment step for what the shop says it takes. */
export function paymentChoices(offered: PaymentMethod[]): Choice[] {
  return offered.flatMap(({ provider, name, methods, available }): Choice[] => {
    if (provider === 'paypal') return [choice(provider, 'paypal', { name, available, effect: 'You approve the payment at PayPal and come back here.' })]
    const known = methods ? cards.filter(({ method }) => methods.includes(method)) : cards
    return known.map(({ method, ...words }) => choice(provider, method, { ...words, available }))
  })
}

/** Where the customer's choice, kept in a draft perhaps, is not on offer, the first one that is counts. */
export function chosenPayment(choices: Choice[], value: string | undefined): Choice | undefined {
  const possible = choices.filter(({ available }) => available)
  return possible.find((one) => one.value === value) ?? possible[0]
}

/** What the shop takes as long as nobody has said otherwise. */
export const usualPayments: PaymentMethod[] = [{ provider: 'stripe', name: 'Card', available: true }]

function choice(provider: Payment['provider'], method: string, words: Pick<Choice, 'name' | 'number' | 'effect' | 'available'>): Choice {
  return { value: `${provider}:${method}`, payment: { provider, method }, ...words }
}
