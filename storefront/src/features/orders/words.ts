import type { Order, OrderStatus, ReturnStatus } from '@/api/types'
import { formatMoney } from '@/ui/money'

export const statusNames: Record<OrderStatus, string> = {
  placed: 'Placed',
  reserved: 'Reserved',
  paid: 'Paid',
  shipped: 'Shipped',
  delivered: 'Delivered',
  rejected: 'Out of stock',
  payment_failed: 'Payment failed',
  expired: 'Expired',
  cancelled: 'Cancelled',
  refunded: 'Refunded',
  returned: 'Returned',
  needs_attention: 'In review',
}

export const returnNames: Record<ReturnStatus, string> = {
  requested: 'Asked for',
  approved: 'Approved',
  rejected: 'Rejected',
  received: 'Received',
  refunded: 'Refunded',
}

/** What a return's state means to the customer. */
export function returnText({ status, refund }: Order['returns'][number]): string {
  switch (status) {
    case 'requested':
      return 'We are looking at your request and will write to you.'
    case 'approved':
      return `Send the parcel to us. Once it is here, ${formatMoney(refund)} goes back to you.`
    case 'rejected':
      return 'We cannot take this back.'
    case 'received':
      return `Your parcel has arrived. ${formatMoney(refund)} is on its way back to you.`
    case 'refunded':
      return `${formatMoney(refund)} went back to you.`
  }
}

export type Tone = 'busy' | 'good' | 'bad' | 'wait'

/** Whether the order waits for the customer at their bank or at PayPal. */
export function awaitsCustomer({ status, payment }: Order): boolean {
  return status === 'reserved' && payment.status === 'action_required' && payment.redirectUrl !== undefined
}

/** What the customer did at PayPal, if they just came from there. */
export type AtPayPal = 'approved' | 'cancelled' | undefined

/** What an order's state means to the customer. */
export function headline(order: Order, atPayPal?: AtPayPal): { tone: Tone; title: string; text: string } {
  const { status, payment, refunded } = order
  switch (status) {
    case 'placed':
      return { tone: 'busy', title: 'Thank you, we have your order', text: 'We are setting your items aside.' }
    case 'reserved':
      if (!awaitsCustomer(order) || atPayPal === 'approved') return { tone: 'busy', title: 'Your items are set aside', text: 'We are taking the payment now.' }
      if (atPayPal === 'cancelled') return { tone: 'wait', title: 'The payment was not approved', text: 'Approve it at PayPal after all, or cancel the order. Your items are set aside for a while.' }
      return payment.provider === 'paypal'
        ? { tone: 'wait', title: 'Approve the payment at PayPal', text: 'Then come back here. Your items are set aside until then.' }
        : { tone: 'wait', title: 'Your bank wants to hear from you', text: 'Confirm the payment and come back here. Your items are set aside until then.' }
    case 'paid':
      return { tone: 'good', title: 'Paid. Thank you!', text: 'A confirmation is on its way to your inbox, and your parcel is next.' }
    case 'shipped':
      return { tone: 'good', title: 'Your parcel is on its way', text: 'It has left our house.' }
    case 'delivered':
      return { tone: 'good', title: 'Delivered', text: 'Enjoy!' }
    case 'rejected':
      return { tone: 'bad', title: 'Sold out while you ordered', text: 'Somebody was faster. Nothing was charged.' }
    case 'payment_failed':
      return { tone: 'bad', title: 'The payment did not go through', text: failure(payment.failure) }
    case 'expired':
      return { tone: 'bad', title: 'The order ran out of time', text: 'The payment was not confirmed in time. Nothing was charged, and the items are back on the shelf.' }
    case 'cancelled':
      return { tone: 'bad', title: 'Cancelled', text: refunded.amount > 0 ? `${formatMoney(refunded)} went back to you.` : 'What you paid, if anything, is on its way back.' }
    case 'refunded':
      return { tone: 'bad', title: 'Refunded', text: refunded.amount > 0 ? `${formatMoney(refunded)} went back to you.` : 'Your money is on its way back.' }
    case 'returned':
      return { tone: 'bad', title: 'Returned', text: 'Everything has come back to us.' }
    case 'needs_attention':
      return { tone: 'wait', title: 'We are looking into your order', text: 'Something unusual came up. One of us takes care of it and will write to you.' }
  }
}

const failures: Record<string, string> = {
  card_declined: 'Your bank declined the card.',
  generic_decline: 'Your bank declined the card.',
  insufficient_funds: 'There is not enough money on the card.',
  expired_card: 'The card has expired.',
  incorrect_cvc: 'The security code is wrong.',
  authentication_failed: 'The payment was not confirmed with your bank.',
  payment_intent_authentication_failure: 'The payment was not confirmed with your bank.',
}

/** Why a payment failed, in a sentence: the provider's code is known, or its own words are shown. */
export function failure(reason: string | undefined): string {
  if (!reason) return 'Your bank declined the payment. Nothing was charged.'
  return `${failures[reason] ?? (/^[\w-]+$/.test(reason) ? `The bank's reason: ${reason.replaceAll(/[_-]/g, ' ')}.` : reason)} Nothing was charged.`
}
