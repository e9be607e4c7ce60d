import { describe, expect, test } from 'vitest'
import type { StockImport } from '@/api/types'
import { joined, partsOf } from './stocktake'

const header = 'sku,onHand'

describe('partsOf', () => {
  test('leaves a small file whole', () => {
    expect(partsOf(`${header}\nA,1\n`)).toEqual([{ text: `${header}\nA,1\n`, left: 0 }])
    expect(partsOf('')).toEqual([{ text: '', left: 0 }])
    expect(partsOf(header)).toEqual([{ text: header, left: 0 }])
  })

  test('cuts between lines, each with the header, and loses none', () => {
    const lines = Array.from({ length: 100 }, (_, i) => `SKU-${i},${i}`)
    const parts = partsOf([header, ...lines].join('\n'), 100)
    expect(parts.length).toBeGreaterThan(5)
    const again: string[] = []
    for (const { text, left } of parts) {
      const [first, ...rest] = text.split('\n')
      expect(first).toBe(header)
      expect(left).toBe(again.length)
      expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(100)
      again.push(...rest)
    }
    expect(again).toEqual(lines)
  })

  test('counts bytes, and does not mind a line that is too long for any part', () => {
    expect(partsOf(`${header}\n${'ü'.repeat(50)}\n${'ü'.repeat(50)}`, 120)).toHaveLength(2)
    expect(partsOf(`${header}\nA,1\n${'x'.repeat(500)}\nB,2`, 100)).toHaveLength(3)
  })
})

const report = (line: number): StockImport => ({ read: 10, written: 7, unchanged: 2, failed: 1, errors: [{ line, code: 'invalid-sku', detail: 'no' }] })

test('joined counts lines as in the file', () => {
  const [one, two] = [
    { text: '', left: 0 },
    { text: '', left: 40 },
  ]
  expect(joined([{ report: report(3), part: one }, { report: report(2), part: two }])).toEqual({
    read: 20,
    written: 14,
    unchanged: 4,
    failed: 2,
    errors: [3, 42].map((line) => ({ line, code: 'invalid-sku', detail: 'no' })),
  })
})
