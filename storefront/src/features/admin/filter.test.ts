import { describe, expect, it } from 'vitest'
import { nextPage, previousPage, readCursor, readOrderFilter, readProductFilter, readReturnStatus, readReviewStatus, withFilter } from './filter'

const url = (text: string) => new URLSearchParams(text)

it.each([
  ['', {}],
  ['status=paid&query=+ada%40example.com+&from=2030-01-01&to=2030-01-31', { status: 'paid', query: 'ada@example.com', from: '2030-01-01', to: '2030-01-31' }],
  ['status=lost&query=++&from=yesterday&to=2030-13-01', {}],
])('reads ?%s', (text, expected) => expect(readOrderFilter(url(text))).toEqual(expected))

it.each([
  ['status=approved', 'approved'],
  ['status=paid', undefined],
])('reads the status of returns in ?%s', (text, expected) => expect(readReturnStatus(url(text))).toBe(expected))

it.each([
  ['', {}],
  ['status=draft&query=+tea+&category=kitchen&sort=-updated', { status: 'draft', query: 'tea', category: 'kitchen', sort: '-updated' }],
  ['status=gone&query=+&sort=price', {}],
])('reads the products of ?%s', (text, expected) => expect(readProductFilter(url(text))).toEqual(expected))

it.each([
  ['status=rejected', 'rejected'],
  ['status=lost', 'pending'],
])('reads the status of reviews in ?%s', (text, expected) => expect(readReviewStatus(url(text))).toBe(expected))

it('writes what is given', () => expect(withFilter({ status: 'paid', query: ' ', from: undefined }).toString()).toBe('status=paid'))

describe('pages', () => {
  const first = url('status=paid')
  const second = nextPage(first, 'a')
  const third = nextPage(second, 'b')

  it('lead forward', () => {
    expect(readCursor(first)).toBeUndefined()
    expect(readCursor(second)).toBe('a')
    expect(third.toString()).toBe('status=paid&cursor=a&cursor=b')
    expect(readCursor(third)).toBe('b')
  })

  it('lead back', () => {
    expect(previousPage(third)?.toString()).toBe(second.toString())
    expect(previousPage(second)?.toString()).toBe(first.toString())
    expect(previousPage(first)).toBeUndefined()
  })
})
