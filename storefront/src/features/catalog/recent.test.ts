import { beforeEach, expect, it, vi } from 'vitest'
import { rememberViewed } from './recent'

const kept = new Map<string, string>()

beforeEach(() => {
  kept.clear()
  vi.stubGlobal('localStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) })
})

it('keeps the latest first, each once, and no more than the shop answers', () => {
  for (const slug of ['a', 'b', 'a']) rememberViewed(slug)
  expect(kept.get('viewed')).toBe('["a","b"]')
  for (let number = 0; number < 40; number += 1) rememberViewed(`slug-${number}`)
  const slugs = JSON.parse(kept.get('viewed') ?? '') as string[]
  expect(slugs).toHaveLength(24)
  expect(slugs[0]).toBe('slug-39')
})

it.each(['{', '{"a":1}', '[1,null]'])('begins anew over %j', (text) => {
  kept.set('viewed', text)
  rememberViewed('a')
  expect(kept.get('viewed')).toBe('["a"]')
})
