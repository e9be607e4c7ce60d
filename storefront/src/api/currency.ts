import { useSyncExternalStore } from 'react'

/** The currencies in which the shop has prices. */
export const currencies = ['EUR', 'USD', 'GBP', 'JPY'] as const
export type Currency = (typeof currencies)[number]

const key = 'currency'
const listeners = new Set<() => void>()
let chosen: Currency | undefined

/** The currency to ask the API for: a shared link's `?currency=`, the visitor's last choice, or euro. */
export function currentCurrency(): Currency {
  chosen ??= known(new URLSearchParams(location.search).get(key)) ?? known(localStorage.getItem(key)) ?? 'EUR'
  return chosen
}

export function chooseCurrency(currency: Currency) {
  chosen = currency
  localStorage.setItem(key, currency)
  for (const notify of listeners) notify()
}

export function useCurrency(): Currency {
  return useSyncExternalStore(subscribe, currentCurrency)
}

function subscribe(notify: () => void) {
  listeners.add(notify)
  return () => listeners.delete(notify)
}

function known(value: string | null): Currency | undefined {
  return currencies.find((currency) => currency === value)
}
