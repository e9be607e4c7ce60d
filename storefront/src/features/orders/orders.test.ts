import { describe, expect, it } from 'vitest'
import type { Order } from '@/api/types'
import { isClosed, newest, returnableLines } from './queries'
import { failure, headline } from './words'

const at = (seq: number, more: Partial<Order> = {}) => ({ timeline: [{ seq, status: 'placed', at: '' }], ...more }) as Order

describe('newest', () => {
  it('ignores a state that was overtaken', () => {
    const known = at(3)
    expect(newest(known, at(2))).toBe(known)
  })

  it('takes a later state, and a change that made no history', () => {
    const later = at(3)
    const redirected = at(3, { payment: { provider: 'stripe', status: 'action_required' } })
    expect(newest(at(2), later)).toBe(later)
    expect(newest(later, redirected)).toBe(redirected)
    expect(newest(undefined, later)).toBe(later)
  })
})

it.each([
  [undefined, 'Your bank declined the payment. Nothing was charged.'],
  ['insufficient_funds', 'There is not enough money on the card. Nothing was charged.'],
  ['lost_card', "The bank's reason: lost card. Nothing was charged."],
  ['Your card was declined.', 'Your card was declined. Nothing was charged.'],
])('explains %j', (reason, expected) => expect(failure(reason)).toBe(expected))

const waiting = (provider: string) => ({ status: 'reserved', payment: { provider, status: 'action_required', redirectUrl: 'https://pay.example/1' } }) as Order

describe('headline', () => {
  it.each([
    [waiting('stripe'), undefined, 'Your bank wants to hear from you'],
    [waiting('paypal'), undefined, 'Approve the payment at PayPal'],
    [waiting('paypal'), 'cancelled', 'The payment was not approved'],
    [waiting('paypal'), 'approved', 'Your items are set aside'],
    [{ status: 'reserved', payment: { provider: 'paypal', status: 'requested', redirectUrl: 'https://pay.example/1' } } as Order, undefined, 'Your items are set aside'],
    [{ status: 'paid', payment: { provider: 'paypal', status: 'captured' } } as Order, 'approved', 'Paid. Thank you!'],
  ] as const)('says of %j, %s at PayPal: %s', (order, atPayPal, title) => expect(headline(order, atPayPal).title).toBe(title))

  it('says how much went back', () => {
    const cancelled = { status: 'cancelled', payment: { provider: 'stripe', status: 'refunded' }, refunded: { amount: 1999, currency: 'EUR' } } as Order
    expect(headline(cancelled).text).toMatch(/19[.,]99.* went back/)
  })
})

const order = (status: Order['status'], payment: Order['payment']['status'], ...returns: Order['returns'][number]['status'][]) =>
  ({ status, payment: { provider: 'stripe', status: payment }, returns: returns.map((one) => ({ status: one })) }) as Order

describe('isClosed', () => {
  it.each([
    [order('paid', 'captured'), false],
    [order('delivered', 'captured'), true],
    [order('delivered', 'captured', 'requested'), false],
    [order('delivered', 'captured', 'received'), false],
    [order('delivered', 'captured', 'rejected', 'refunded'), true],
    [order('cancelled', 'refund_requested'), false],
    [order('cancelled', 'refunded'), true],
    [order('needs_attention', 'captured'), false],
  ])('%j: %s', (one, expected) => expect(isClosed(one)).toBe(expected))
})

describe('returnableLines', () => {
  const bought = { lines: [{ sku: 'A', quantity: 3 }, { sku: 'B', quantity: 1 }] }
  const left = (...returns: [status: string, sku: string, quantity: number][]) =>
    returnableLines({ ...bought, returns: returns.map(([status, sku, quantity]) => ({ status, lines: [{ sku, quantity }] })) } as Order).map(({ sku, left: pieces }) => [sku, pieces])

  it('offers what was bought', () => expect(left()).toEqual([['A', 3], ['B', 1]]))
  it('leaves out what is on its way back or came back', () => expect(left(['requested', 'A', 1], ['refunded', 'A', 1], ['received', 'B', 1])).toEqual([['A', 1]]))
  it('offers again what was rejected', () => expect(left(['rejected', 'B', 1])).toEqual([['A', 3], ['B', 1]]))
})
