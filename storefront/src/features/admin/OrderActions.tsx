import { useState } from 'react'
import type { AdminOrder } from '@/api/types'
import { Button } from '@/ui/Button'
import { Field } from '@/ui/Field'
import { formatMoney, parseMoney } from '@/ui/money'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import styles from './admin.module.css'
import { useOrderAction, useRefund } from './queries'

type Open = 'ship' | 'deliver' | 'cancel' | 'refund' | null

/** What can be done to an order in its state. The shop decides again when it is done. */
export function OrderActions({ order }: { order: AdminOrder }) {
  const [open, setOpen] = useState<Open>(null)
  const close = () => setOpen(null)
  const { status } = order
  return (
    <div role="group" aria-label="Actions" className={styles.actions}>
      {status === 'paid' && <Button onClick={() => setOpen('ship')}>Ship</Button>}
      {status === 'shipped' && <Button onClick={() => setOpen('deliver')}>Mark as delivered</Button>}
      {canRefund(order) && (
        <Button look="secondary" onClick={() => setOpen('refund')}>
          Refund
        </Button>
      )}
      {order.cancellable && (
        <Button look="secondary" onClick={() => setOpen('cancel')}>
          Cancel order
        </Button>
      )}
      {open === 'ship' && <ShipDialog order={order} onClose={close} />}
      {open === 'deliver' && <DeliverDialog order={order} onClose={close} />}
      {open === 'cancel' && <CancelDialog order={order} onClose={close} />}
      {open === 'refund' && <RefundDialog order={order} onClose={close} />}
    </div>
  )
}

const paidFor = new Set<AdminOrder['status']>(['paid', 'shipped', 'delivered', 'returned', 'needs_attention'])

/** Whether some of the money that was taken has not gone back. */
export function canRefund({ status, payment, refunded, total }: AdminOrder): boolean {
  return paidFor.has(status) && ['captured', 'refund_requested', 'refunded'].includes(payment.status) && refunded.amount < total.amount
}

interface Props {
  order: AdminOrder
  onClose: () => void
}

function ShipDialog({ order, onClose }: Props) {
  const { mutate, isPending, error } = useOrderAction(order.id)
  const done = useDone(onClose)
  return (
    <ActionDialog
      title={`Ship order ${order.number}`}
      action="Ship"
      busy={isPending}
      error={error}
      onClose={onClose}
      onSubmit={({ carrier = '', trackingNumber = '' }) => mutate({ do: 'ship', carrier, trackingNumber }, { onSuccess: done('Shipped. The customer gets a mail.') })}
    >
      <Field label="Carrier" name="carrier" required maxLength={60} autoComplete="off" list="carriers" />
      <datalist id="carriers">
        {['DHL', 'UPS', 'DPD', 'FedEx', 'GLS'].map((carrier) => (
          <option key={carrier}>{carrier}</option>
        ))}
      </datalist>
      <Field label="Tracking number" name="trackingNumber" required maxLength={60} autoComplete="off" />
    </ActionDialog>
  )
}

function DeliverDialog({ order, onClose }: Props) {
  const { mutate, isPending, error } = useOrderAction(order.id)
  const done = useDone(onClose)
  return (
    <ActionDialog
      title={`Has order ${order.number} arrived?`}
      action="Yes, delivered"
      busy={isPending}
      error={error}
      onClose={onClose}
      onSubmit={() => mutate({ do: 'deliver' }, { onSuccess: done('Delivered.') })}
    >
      <p>The customer gets a mail, and has 30 days from now to send something back.</p>
    </ActionDialog>
  )
}

function CancelDialog({ order, onClose }: Props) {
  const { mutate, isPending, error } = useOrderAction(order.id)
  const done = useDone(onClose)
  return (
    <ActionDialog
      title={`Cancel order ${order.number}?`}
      action="Cancel order"
      busy={isPending}
      error={error}
      onClose={onClose}
      onSubmit={({ reason = '' }) => mutate({ do: 'cancel', reason }, { onSuccess: done('Cancelled.') })}
    >
      <p>What was paid goes back, and the items go back on the shelf.</p>
      <Field label="Reason" name="reason" required maxLength={500} hint="The customer reads it." />
    </ActionDialog>
  )
}

function RefundDialog({ order, onClose }: Props) {
  const { mutate, isPending, error } = useRefund(order.id)
  const [refused, setRefused] = useState<Record<string, string>>()
  const done = useDone(onClose)

  function submit({ amount: typed = '', reason = '' }: Record<string, string>) {
    const amount = typed === '' ? undefined : parseMoney(typed, order.currency)
    if (typed !== '' && !amount?.amount) return setRefused({ amount: `Enter an amount of ${order.currency}, or leave it empty.` })
    setRefused(undefined)
    mutate({ reason, ...(amount ? { amount } : {}) }, { onSuccess: done('The money is on its way back.') })
  }

  return (
    <ActionDialog title={`Refund order ${order.number}`} action="Send the money back" busy={isPending} error={error} refused={refused} onClose={onClose} onSubmit={submit}>
      <p>
        Paid {formatMoney(order.total)}, refunded so far {formatMoney(order.refunded)}.
      </p>
      <Field label={`Amount in ${order.currency}`} name="amount" inputMode="decimal" autoComplete="off" hint="Left empty, all that is left goes back." />
      <Field label="Reason" name="reason" required maxLength={500} autoComplete="off" />
    </ActionDialog>
  )
}

function useDone(onClose: () => void) {
  const toast = useToast()
  return (text: string) => () => {
    toast({ text })
    onClose()
  }
}
