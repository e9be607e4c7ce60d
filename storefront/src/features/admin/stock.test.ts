import { describe, expect, test } from 'vitest'
import { readAdjustment, readPieces, readStockFilter, signed } from './stock'

describe('readStockFilter', () => {
  test.each([
    ['', {}],
    ['query=+MUG+&low=true', { query: 'MUG', low: true }],
    ['query=%20&low=yes', {}],
    ['low=false&cursor=A', {}],
  ])('%s', (search, filter) => expect(readStockFilter(new URLSearchParams(search))).toEqual(filter))
})

describe('readAdjustment', () => {
  test.each([
    ['received', '12', { reason: 'received', change: 12 }],
    ['lost', '3', { reason: 'lost', change: -3 }],
    ['more', '1', { reason: 'correction', change: 1 }],
    ['fewer', '1', { reason: 'correction', change: -1 }],
    ['fewer', '0', undefined],
    ['fewer', '-1', undefined],
    ['fewer', '1.5', undefined],
    ['toString', '1', undefined],
    [undefined, '1', undefined],
    ['lost', undefined, undefined],
  ])('%s %s', (choice, pieces, asked) => expect(readAdjustment(choice, pieces)).toEqual(asked))
})

test.each([
  ['0', 0],
  ['42', 42],
  ['', undefined],
  ['1e3', undefined],
  ['1234567890', undefined],
])('readPieces %s', (typed, n) => expect(readPieces(typed)).toBe(n))

test('signed', () => expect([signed(3), signed(-3)]).toEqual(['+3', '−3']))
