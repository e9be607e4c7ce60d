import type { Import, OrderStatus, ProductStatus, ReturnStatus, ReviewStatus, TraceItem, User } from '@/api/types'
import type { BadgeTone } from '@/ui/Badge'

interface Word {
  name: string
  tone: BadgeTone
}

/** What the staff call the states of an order. */
export const orderWords: Record<OrderStatus, Word> = {
  placed: { name: 'Placed', tone: 'busy' },
  reserved: { name: 'Awaiting payment', tone: 'busy' },
  paid: { name: 'Paid, to ship', tone: 'good' },
  shipped: { name: 'Shipped', tone: 'good' },
  delivered: { name: 'Delivered', tone: 'good' },
  rejected: { name: 'Out of stock', tone: 'bad' },
  payment_failed: { name: 'Payment failed', tone: 'bad' },
  expired: { name: 'Expired', tone: 'bad' },
  cancelled: { name: 'Cancelled', tone: 'bad' },
  refunded: { name: 'Refunded', tone: 'bad' },
  returned: { name: 'Returned', tone: 'bad' },
  needs_attention: { name: 'Needs attention', tone: 'wait' },
}

export const orderStatuses = Object.keys(orderWords) as OrderStatus[]

export const returnWords: Record<ReturnStatus, Word> = {
  requested: { name: 'To decide', tone: 'wait' },
  approved: { name: 'Awaiting parcel', tone: 'busy' },
  rejected: { name: 'Rejected', tone: 'bad' },
  received: { name: 'Received', tone: 'busy' },
  refunded: { name: 'Refunded', tone: 'good' },
}

export const returnStatuses = Object.keys(returnWords) as ReturnStatus[]

export const productWords: Record<ProductStatus, Word> = {
  draft: { name: 'Draft', tone: 'wait' },
  active: { name: 'Active', tone: 'good' },
  archived: { name: 'Archived', tone: 'busy' },
}

export const productStatuses = Object.keys(productWords) as ProductStatus[]

export const reviewWords: Record<ReviewStatus, Word> = {
  pending: { name: 'To read', tone: 'wait' },
  published: { name: 'Published', tone: 'good' },
  rejected: { name: 'Rejected', tone: 'bad' },
}

export const reviewStatuses = Object.keys(reviewWords) as ReviewStatus[]

export const importWords: Record<Import['status'], Word> = {
  receiving: { name: 'Arriving', tone: 'busy' },
  running: { name: 'Running', tone: 'wait' },
  done: { name: 'Done', tone: 'good' },
  failed: { name: 'Failed', tone: 'bad' },
  cancelled: { name: 'Stopped', tone: 'bad' },
}

export const traceWords: Record<TraceItem['kind'], string> = {
  timeline: 'Order',
  event: 'Fact told',
  delivery: 'Fact heard',
  attempt: 'Payment attempt',
  webhook: 'Webhook',
  refund: 'Refund',
  mail: 'Mail',
  'dead-letter': 'Dead letter',
}

/** Whether somebody works for the shop. */
export function isStaff(user: User | null | undefined): boolean {
  return user?.roles.some((role) => role === 'support' || role === 'admin') ?? false
}

/** Whether somebody may also change what customers pay, and deal with dead letters. */
export function isAdmin(user: User | null | undefined): boolean {
  return user?.roles.includes('admin') ?? false
}
