import type { TraceItem } from '@/api/types'

export interface Finding {
  text: string
  at: string
}

/** What in an order's trace explains why it does not move: the oldest first. Empty when nothing stands out. */
export function findings(items: TraceItem[]): Finding[] {
  return items.flatMap((item): Finding[] => {
    if (item.kind === 'dead-letter') return [{ at: item.at, text: `${item.service} could not take ${item.name}.` }]
    const waiting = undelivered(item)
    return waiting.length > 0 ? [{ at: item.at, text: `${item.name} has not reached ${list(waiting)}.` }] : []
  })
}

/** What there is to tell: that a fact was heard is told where it was told, if that is known. */
export function story(items: TraceItem[]): TraceItem[] {
  const told = new Set(items.filter(({ kind }) => kind === 'event').map(({ eventId }) => eventId))
  return items.filter(({ kind, eventId }) => kind !== 'delivery' || !told.has(eventId))
}

/** Who has not heard an event yet. */
export function undelivered({ consumers = [] }: TraceItem): string[] {
  return consumers.filter(({ deliveredAt }) => !deliveredAt).map(({ service }) => service)
}

/** How long after the event a consumer heard of it, as people say it. */
export function delay(from: string, to: string): string {
  const ms = Math.max(Date.parse(to) - Date.parse(from), 0)
  if (ms < 1_000) return `${ms} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${Math.round(ms / 60_000)} min`
}

function list(names: string[]): string {
  return new Intl.ListFormat('en').format(names)
}
