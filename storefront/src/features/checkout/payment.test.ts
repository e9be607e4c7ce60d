import { describe, expect, it } from 'vitest'
import { chosenPayment, paymentChoices, usualPayments } from './payment'

const stripe = { provider: 'stripe', name: 'Card', available: true } as const
const paypal = { provider: 'paypal', name: 'PayPal', available: true } as const

const values = (offered: Parameters<typeof paymentChoices>[0]) => paymentChoices(offered).map(({ value }) => value)

describe('paymentChoices', () => {
  it('shows the test cards, then PayPal', () => {
    expect(values([stripe, { ...paypal, methods: ['paypal'] }])).toEqual([
      'stripe:pm_card_visa',
      'stripe:pm_card_visa_chargeDeclined',
      'stripe:pm_card_threeDSecure2Required',
      'paypal:paypal',
    ])
  })

  it('shows only what the shop offers', () => {
    expect(values([paypal])).toEqual(['paypal:paypal'])
    expect(values([{ ...stripe, methods: ['pm_card_visa', 'pm_card_of_the_future'] }])).toEqual(['stripe:pm_card_visa'])
    expect(values([])).toEqual([])
  })
})

describe('chosenPayment', () => {
  const choices = paymentChoices([...usualPayments, paypal])
  it.each([
    ['paypal:paypal', { provider: 'paypal', method: 'paypal' }],
    ['stripe:pm_card_threeDSecure2Required', { provider: 'stripe', method: 'pm_card_threeDSecure2Required' }],
    [undefined, { provider: 'stripe', method: 'pm_card_visa' }],
    ['pm_card_visa', { provider: 'stripe', method: 'pm_card_visa' }],
  ])('reads %j', (value, expected) => expect(chosenPayment(choices, value)?.payment).toEqual(expected))

  it('leaves out who does not answer', () => {
    const some = paymentChoices([{ ...stripe, available: false }, paypal])
    expect(chosenPayment(some, 'stripe:pm_card_visa')?.value).toBe('paypal:paypal')
    expect(chosenPayment(paymentChoices([{ ...stripe, available: false }]), undefined)).toBeUndefined()
  })

  it('has nothing where nothing is offered', () => expect(chosenPayment([], 'paypal:paypal')).toBeUndefined())
})
