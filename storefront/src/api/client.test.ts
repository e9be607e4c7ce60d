import { afterEach, describe, expect, it, vi } from 'vitest'
import { call, callVersioned, changedMeanwhile, formErrors, ifMatch, isTemporary, needsSignIn, ProblemError, readProblem } from './client'

afterEach(() => vi.unstubAllGlobals())

describe('readProblem', () => {
  it('reads a problem document', async () => {
    const body = { type: 'urn:sidecart:problem:invalid-fields', title: 'Unprocessable Entity', status: 422, code: 'invalid-fields', detail: 'Look again.', errors: [{ field: 'address.city', detail: 'A city is needed.' }] }
    const error = await readProblem(Response.json(body, { status: 422, headers: { 'Content-Type': 'application/problem+json' } }))
    expect(error).toMatchObject({ status: 422, code: 'invalid-fields', message: 'Look again.', retryAfter: undefined })
    expect(error.messages).toEqual({ 'address.city': 'A city is needed.' })
  })

  it('makes one of an answer that is not ours', async () => {
    const error = await readProblem(new Response('<h1>Bad gateway</h1>', { status: 502, statusText: 'Bad Gateway', headers: { 'Content-Type': 'text/html' } }))
    expect(error).toMatchObject({ status: 502, code: 'http-502', message: 'Bad Gateway', fields: [] })
  })

  it('survives a body that is cut off', async () => {
    const error = await readProblem(new Response('{"code":', { status: 500, headers: { 'Content-Type': 'application/problem+json' } }))
    expect(error).toMatchObject({ status: 500, code: 'http-500' })
  })

  it('reads Retry-After', async () => {
    const error = await readProblem(Response.json({ status: 503, code: 'service-unavailable' }, { status: 503, headers: { 'Retry-After': '3' } }))
    expect(error.retryAfter).toBe(3)
  })
})

describe('call', () => {
  it('fills the path, leaves out what is not given, and sends JSON', async () => {
    const fetch = answering(Response.json({ lines: [] }))
    await call('put', '/api/v1/basket/items/{sku}', { path: { sku: 'A/B' }, query: { currency: 'EUR' }, body: { quantity: 2 } })
    const [url, init] = fetch.mock.calls[0] ?? []
    expect(url).toBe('/api/v1/basket/items/A%2FB?currency=EUR')
    expect(init).toMatchObject({ method: 'PUT', body: '{"quantity":2}', headers: { 'Content-Type': 'application/json' } })
  })

  it('answers nothing for 204', async () => {
    answering(new Response(null, { status: 204 }))
    expect(await call('post', '/api/v1/auth/logout')).toBeUndefined()
  })

  it('throws the problem', async () => {
    answering(Response.json({ title: 'Not Found', status: 404, code: 'not-found' }, { status: 404 }))
    await expect(call('get', '/api/v1/products/{slug}', { path: { slug: 'x' } })).rejects.toMatchObject({ status: 404, code: 'not-found' })
  })
})

describe('versions', () => {
  it('come with what was read, and go with what is changed', async () => {
    answering(Response.json({ name: 'Ada' }, { headers: { ETag: '"7"' } }))
    expect(await callVersioned('get', '/api/v1/account/profile')).toEqual({ value: { name: 'Ada' }, version: '"7"' })
    expect(ifMatch('"7"')).toEqual({ 'If-Match': '"7"' })
    expect(ifMatch(null)).toEqual({})
  })

  it('are refused when somebody was faster', () => {
    expect(changedMeanwhile(problem(412, 'changed-meanwhile'))).toBe(true)
    expect(changedMeanwhile(problem(409, 'email-taken'))).toBe(false)
    expect(changedMeanwhile(new TypeError('Failed to fetch'))).toBe(false)
  })
})

it.each([
  [problem(503, 'service-unavailable'), true],
  [problem(429, 'too-many-requests'), true],
  [problem(409, 'in-progress', 1), true],
  [problem(409, 'basket-empty'), false],
  [problem(422, 'invalid-fields'), false],
  [new TypeError('Failed to fetch'), true],
  [new DOMException('late', 'TimeoutError'), true],
  [new DOMException('left', 'AbortError'), false],
])('isTemporary(%s) is %s', (error, expected) => expect(isTemporary(error)).toBe(expected))

it.each([
  ['sign-in-required', true],
  ['session-expired', true],
  ['invalid-credentials', false],
  ['wrong-code', false],
  ['challenge-expired', false],
])('a 401 %s asks to sign in: %s', (code, expected) => expect(needsSignIn(problem(401, code))).toBe(expected))

it.each([
  [null, {}],
  [problem(409, 'already-shipped'), { problem: 'already-shipped' }],
  [new TypeError('Failed to fetch'), { problem: 'The shop cannot be reached. Check your connection and try again.' }],
  [new ProblemError({ type: '', title: '', status: 422, code: 'invalid-fields', errors: [{ field: 'reason', detail: 'is required' }] }), { refused: { reason: 'is required' } }],
])('shows %s in a form as %j', (error, expected) => expect(formErrors(error)).toEqual(expected))

function problem(status: number, code: string, retryAfter?: number) {
  return new ProblemError({ type: '', title: code, status, code }, retryAfter)
}

function answering(response: Response) {
  const fetch = vi.fn(async (..._request: [url: string, init: RequestInit]) => response)
  vi.stubGlobal('fetch', fetch)
  return fetch
}
