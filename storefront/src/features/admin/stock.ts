import type { Movement } from '@/api/types'

export interface StockFilter {
  /** A part of the SKU. */
  query?: string
  low?: boolean
}

/** Reads the filter of the stock from the URL; what is not understood is ignored. */
export function readStockFilter(search: URLSearchParams): StockFilter {
  const query = search.get('query')?.trim()
  return { ...(query ? { query } : {}), ...(search.get('low') === 'true' ? { low: true } : {}) }
}

export const reasonWords: Record<Movement['reason'], string> = {
  sold: 'Sold',
  cancelled: 'Cancelled after it was sold',
  returned: 'Returned',
  stocktake: 'Counted',
  received: 'Delivered to us',
  damaged: 'Damaged',
  lost: 'Lost',
  found: 'Found',
  correction: 'Correction',
  threshold: 'Threshold changed',
}

type Reason = 'received' | 'found' | 'returned' | 'damaged' | 'lost' | 'correction'

/** Why the staff changes a count. A correction goes either way, so it is offered twice. */
export const adjustments = {
  received: { name: reasonWords.received, reason: 'received', sign: 1 },
  found: { name: reasonWords.found, reason: 'found', sign: 1 },
  returned: { name: reasonWords.returned, reason: 'returned', sign: 1 },
  damaged: { name: reasonWords.damaged, reason: 'damaged', sign: -1 },
  lost: { name: reasonWords.lost, reason: 'lost', sign: -1 },
  more: { name: 'Correction: there are more', reason: 'correction', sign: 1 },
  fewer: { name: 'Correction: there are fewer', reason: 'correction', sign: -1 },
} as const satisfies Record<string, { name: string; reason: Reason; sign: 1 | -1 }>

/** What is to be asked of the shop for a choice above and a number of pieces as it was typed; undefined if it is no number of pieces. */
export function readAdjustment(choice: string | undefined, pieces: string | undefined): { reason: Reason; change: number } | undefined {
  const n = readPieces(pieces)
  if (!n || !choice || !Object.hasOwn(adjustments, choice)) return undefined
  const { reason, sign } = adjustments[choice as keyof typeof adjustments]
  return { reason, change: sign * n }
}

/** A whole number of pieces, or none; undefined for anything else. */
export function readPieces(typed: string | undefined): number | undefined {
  return /^\d{1,9}$/.test(typed ?? '') ? Number(typed) : undefined
}

/** +3 and −3, with a sign that lines up. */
export function signed(n: number): string {
  return n < 0 ? `−${(-n).toLocaleString()}` : `+${n.toLocaleString()}`
}
