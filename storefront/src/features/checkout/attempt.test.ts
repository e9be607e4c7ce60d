import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ProblemError } from '@/api/client'
import type { Basket, CheckoutRequest, Order } from '@/api/types'
import { Attempts, contents, placeOrder } from './attempt'

const order = { id: 'o-1' } as Order
const berlin = bodyFor('Berlin')
const lost = new TypeError('Failed to fetch')

let storage: Map<string, string>
let attempts: Attempts

beforeEach(() => {
  let keys = 0
  storage = new Map()
  attempts = new Attempts(
    { getItem: (name) => storage.get(name) ?? null, setItem: (name, value) => void storage.set(name, value), removeItem: (name) => void storage.delete(name) },
    () => `key-${++keys}`,
  )
})

describe('placeOrder', () => {
  it('sends both clicks of a double click with one key', async () => {
    const send = vi.fn(async () => order)
    await Promise.all([placeOrder(attempts, '1×A', berlin, send), placeOrder(attempts, '1×A', berlin, send)])
    expect(keysOf(send)).toEqual(['key-1', 'key-1'])
  })

  it('keeps the key over a reload when nobody answered', async () => {
    await expect(placeOrder(attempts, '1×A', berlin, failing(lost))).rejects.toThrow(lost)
    const send = vi.fn(async () => order)
    await placeOrder(attempts, '1×A', berlin, send)
    expect(keysOf(send)).toEqual(['key-1'])
    expect(attempts.current()?.orderId).toBe('o-1')
  })

  it.each([problem(500, 'internal-error'), problem(503, 'service-unavailable'), problem(429, 'too-many-requests'), problem(409, 'in-progress', 1), problem(401, 'session-expired')])(
    'keeps the key after $status $code',
    async (error) => {
      await expect(placeOrder(attempts, '1×A', berlin, failing(error))).rejects.toThrow()
      expect(attempts.current()?.key).toBe('key-1')
    },
  )

  it.each([problem(422, 'invalid-fields'), problem(409, 'basket-empty'), problem(400, 'malformed-json')])('takes a new key after $status $code', async (error) => {
    await expect(placeOrder(attempts, '1×A', berlin, failing(error))).rejects.toThrow()
    const send = vi.fn(async () => order)
    await placeOrder(attempts, '1×A', berlin, send)
    expect(keysOf(send)).toEqual(['key-2'])
  })

  it('answers with the first order when the customer changed the form after a lost answer', async () => {
    await expect(placeOrder(attempts, '1×A', berlin, failing(lost))).rejects.toThrow()
    const arrived = JSON.stringify(berlin)
    const send = vi.fn(async (_key: string, body: CheckoutRequest) => {
      if (JSON.stringify(body) !== arrived) throw problem(422, 'idempotency-key-reused')
      return order
    })
    expect(await placeOrder(attempts, '1×A', bodyFor('Paris'), send)).toBe(order)
    expect(keysOf(send)).toEqual(['key-1', 'key-1'])
  })

  it('sends the changed form with the old key when the first try never arrived', async () => {
    await expect(placeOrder(attempts, '1×A', berlin, failing(lost))).rejects.toThrow()
    const send = vi.fn(async () => order)
    await placeOrder(attempts, '1×A', bodyFor('Paris'), send)
    expect(send.mock.calls).toEqual([['key-1', bodyFor('Paris')]])
  })

  it('takes a new key for the next wish to buy', async () => {
    const send = vi.fn(async () => order)
    await placeOrder(attempts, '1×A', berlin, send)
    await placeOrder(attempts, '2×B', berlin, send)
    expect(keysOf(send)).toEqual(['key-1', 'key-2'])
  })
})

describe('settle', () => {
  it('remembers the order while the basket still shows its goods, and forgets it after', async () => {
    const bought = basket(['A', 2], ['B', 1])
    await placeOrder(attempts, contents(bought), berlin, async () => order)
    attempts.settle(basket(['B', 1], ['A', 2]))
    expect(attempts.current()?.orderId).toBe('o-1')
    attempts.settle(basket())
    expect(attempts.current()).toBeNull()
  })

  it('never forgets a try that still waits for its answer', async () => {
    await expect(placeOrder(attempts, '1×A', berlin, failing(lost))).rejects.toThrow()
    attempts.settle(basket())
    expect(attempts.current()?.key).toBe('key-1')
  })
})

function bodyFor(city: string): CheckoutRequest {
  return { address: { name: 'Ada', line1: 'Street 1', city, postalCode: '10119', country: 'DE' }, shippingMethod: 'standard', payment: { provider: 'stripe', method: 'pm_card_visa' } }
}

function basket(...lines: [sku: string, quantity: number][]): Basket {
  return { lines: lines.map(([sku, quantity]) => ({ sku, quantity })) } as Basket
}

function problem(status: number, code: string, retryAfter?: number) {
  return new ProblemError({ type: '', title: code, status, code }, retryAfter)
}

function failing(error: Error) {
  return () => Promise.reject(error)
}

function keysOf(send: ReturnType<typeof vi.fn>) {
  return send.mock.calls.map(([key]) => key as string)
}
