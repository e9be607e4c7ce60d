import { isRefusal, ProblemError } from '@/api/client'
import type { Basket, CheckoutRequest, Order } from '@/api/types'

/** One wish to buy: everything that is sent for it carries one key, so that it makes one order however often it is sent. */
export interface Attempt {
  key: string
  /** What was in the basket, see `contents`. */
  basket: string
  /** Every body sent with the key. More than one if the customer changed something after a try that nobody answered. */
  bodies: CheckoutRequest[]
  /** Set once an order answered. */
  orderId?: string
}

const name = 'checkout-attempt'

/** The attempt of this tab, kept over reloads until its order is known and its goods have left the basket. */
export class Attempts {
  private readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
  private readonly newKey: () => string

  constructor(storage: Attempts['storage'], newKey = () => crypto.randomUUID() as string) {
    this.storage = storage
    this.newKey = newKey
  }

  current(): Attempt | null {
    const text = this.storage.getItem(name)
    return text ? (JSON.parse(text) as Attempt) : null
  }

  /** Notes what is about to be sent, under the key of the attempt that still waits for its answer, if there is one. */
  begin(basket: string, body: CheckoutRequest): Attempt {
    const waiting = this.current()
    const attempt = waiting && !waiting.orderId ? waiting : { key: this.newKey(), basket, bodies: [] }
    const known = attempt.bodies.some((earlier) => JSON.stringify(earlier) === JSON.stringify(body))
    return this.save(known ? attempt : { ...attempt, bodies: [...attempt.bodies, body] })
  }

  answered(attempt: Attempt, orderId: string) {
    this.save({ ...attempt, orderId })
  }

  forget() {
    this.storage.removeItem(name)
  }

  /** Forgets an answered attempt when its goods have left the basket: the same things may then be bought once more. */
  settle(basket: Basket) {
    const attempt = this.current()
    if (attempt?.orderId && attempt.basket !== contents(basket)) this.forget()
  }

  private save(attempt: Attempt): Attempt {
    this.storage.setItem(name, JSON.stringify(attempt))
    return attempt
  }
}

/** What is in a basket, as a word to compare. */
export function contents(basket: Basket): string {
  return basket.lines.map(({ sku, quantity }) => `${quantity}×${sku}`).toSorted().join(' ')
}

export type Send = (key: string, body: CheckoutRequest) => Promise<Order>

/**
 * Sends an order. Where the shop says that the key was used with other words, an earlier try did arrive: its order is the answer,
 * since the customer wanted one. The key is given up only when the shop's answer means that there is no order.
 */
export async function placeOrder(attempts: Attempts, basket: string, body: CheckoutRequest, send: Send): Promise<Order> {
  const attempt = attempts.begin(basket, body)
  try {
    const order = await send(attempt.key, body).catch((error: unknown) => answerOfEarlier(attempt, body, send, error))
    attempts.answered(attempt, order.id)
    return order
  } catch (error) {
    if (isRefusal(error)) attempts.forget()
    throw error
  }
}

async function answerOfEarlier(attempt: Attempt, body: CheckoutRequest, send: Send, error: unknown): Promise<Order> {
  if (!isReused(error)) throw error
  for (const earlier of attempt.bodies.toReversed()) {
    if (JSON.stringify(earlier) === JSON.stringify(body)) continue
    try {
      // Only one of them holds the key; they are asked in turn.
      // oxlint-disable-next-line no-await-in-loop
      return await send(attempt.key, earlier)
    } catch (again) {
      if (!isReused(again)) throw again
    }
  }
  throw error
}

function isReused(error: unknown): boolean {
  return error instanceof ProblemError && error.code === 'idempotency-key-reused'
}
