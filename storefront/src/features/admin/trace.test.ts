import { expect, it } from 'vitest'
import type { TraceItem } from '@/api/types'
import { delay, findings, story } from './trace'

const event = (name: string, ...consumers: [service: string, deliveredAt: string | null][]): TraceItem => ({
  at: '2030-01-01T12:00:00Z',
  detail: '',
  service: 'ordering',
  kind: 'event',
  name,
  consumers: consumers.map(([service, deliveredAt]) => ({ service, deliveredAt })),
})

const heard = (eventId: string): TraceItem => ({ at: '2030-01-01T12:00:01Z', service: 'inventory', kind: 'delivery', name: '', detail: '', eventId })

it('finds what has not been heard, and what could not be taken', () => {
  const dead: TraceItem = { at: '2030-01-01T12:01:00Z', service: 'payment', kind: 'dead-letter', name: 'payment-requested-v1', detail: 'no such attempt' }
  const trace = [event('order-placed-v1', ['inventory', '2030-01-01T12:00:01Z']), event('order-paid-v1', ['basket', null], ['inventory', '2030-01-01T12:00:01Z'], ['notification', null]), dead]
  expect(findings(trace).map(({ text }) => text)).toEqual(['order-paid-v1 has not reached basket and notification.', 'payment could not take payment-requested-v1.'])
})

it('finds nothing in an order that moves', () => {
  expect(findings([event('order-placed-v1', ['inventory', '2030-01-01T12:00:01Z']), { at: '', service: 'notification', kind: 'mail', name: 'order-placed', detail: '' }])).toEqual([])
})

it('tells once that a fact was heard', () => {
  const told = { ...event('order-placed-v1', ['inventory', '2030-01-01T12:00:01Z']), eventId: 'a' }
  expect(story([told, heard('a'), heard('b')])).toEqual([told, heard('b')])
})

it.each([
  ['2030-01-01T12:00:00.000Z', '2030-01-01T12:00:00.045Z', '45 ms'],
  ['2030-01-01T12:00:00.000Z', '2030-01-01T12:00:02.540Z', '2.5 s'],
  ['2030-01-01T12:00:00.000Z', '2030-01-01T12:03:10.000Z', '3 min'],
  ['2030-01-01T12:00:00.010Z', '2030-01-01T12:00:00.000Z', '0 ms'],
])('says how long it took from %s to %s: %s', (from, to, expected) => expect(delay(from, to)).toBe(expected))
