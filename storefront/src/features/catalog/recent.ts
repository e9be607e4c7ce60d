import { useSyncExternalStore } from 'react'

const key = 'viewed'
/** How many products are remembered; what the API names in one answer. */
const most = 24
const none: string[] = []
const listeners = new Set<() => void>()
let known: { text: string | null; slugs: string[] } | undefined

/**
 * What this browser looked at, the latest first. It knows no more than the products' names and stays in the browser; the list is
 * asked for by those names, as any other.
 */
export function useRecentlyViewed(): string[] {
  return useSyncExternalStore(subscribe, read)
}

/** Remembers that a product was looked at. */
export function rememberViewed(slug: string) {
  localStorage.setItem(key, JSON.stringify([slug, ...read().filter((other) => other !== slug)].slice(0, most)))
  for (const notify of listeners) notify()
}

function read(): string[] {
  const text = localStorage.getItem(key)
  if (known?.text !== text) known = { text, slugs: parse(text) }
  return known.slugs
}

function parse(text: string | null): string[] {
  try {
    const slugs: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(slugs) ? slugs.filter((slug) => typeof slug === 'string').slice(0, most) : none
  } catch {
    return none
  }
}

function subscribe(notify: () => void) {
  listeners.add(notify)
  return () => listeners.delete(notify)
}
