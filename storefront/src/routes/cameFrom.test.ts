import { expect, it } from 'vitest'
import { cameFrom } from './cameFrom'

it.each([
  ['/checkout', '/checkout'],
  ['/orders/1?x=y', '/orders/1?x=y'],
  ['//evil.example', undefined],
  ['/\\evil.example', undefined],
  ['https://evil.example', undefined],
  ['javascript:alert(1)', undefined],
  ['', undefined],
])('reads %j as %j', (from, expected) => {
  expect(cameFrom(new URLSearchParams({ from }))).toBe(expected)
})
