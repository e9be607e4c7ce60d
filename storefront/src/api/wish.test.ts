import { expect, it, vi } from 'vitest'
import { ProblemError } from './client'
import { Wish } from './wish'

const problem = (status: number, code: string, retryAfter?: number) => new ProblemError({ type: '', title: code, status, code }, retryAfter)

function wishing() {
  let keys = 0
  const sent: string[] = []
  const wish = new Wish(() => `key-${++keys}`)
  return {
    sent,
    send: (answer: () => unknown) =>
      wish.send(async (headers) => {
        sent.push(headers['Idempotency-Key'])
        return answer()
      }),
  }
}

const fail = (error: Error) => () => {
  throw error
}

it.each([new TypeError('Failed to fetch'), problem(500, 'internal-error'), problem(503, 'service-unavailable'), problem(409, 'in-progress', 1), problem(401, 'session-expired')])(
  'keeps its key after %s',
  async (error) => {
    const { send, sent } = wishing()
    await expect(send(fail(error))).rejects.toBe(error)
    await send(() => 'done')
    expect(sent).toEqual(['key-1', 'key-1'])
  },
)

it.each([problem(422, 'refund-exceeds-payment'), problem(409, 'already-shipped'), problem(403, 'not-allowed')])('takes another key after %s', async (error) => {
  const { send, sent } = wishing()
  await expect(send(fail(error))).rejects.toBe(error)
  await send(() => 'done')
  expect(sent).toEqual(['key-1', 'key-2'])
})

it('takes another key for the next wish', async () => {
  const { send, sent } = wishing()
  expect(await send(vi.fn(() => 1))).toBe(1)
  await send(() => 2)
  expect(sent).toEqual(['key-1', 'key-2'])
})
