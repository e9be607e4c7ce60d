import { useState, type ReactNode } from 'react'
import type { Return } from '@/api/types'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { CheckField, Field } from '@/ui/Field'
import { formatMoney } from '@/ui/money'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import styles from './admin.module.css'
import { useDecideReturn, type Decision } from './queries'
import { returnWords } from './words'

interface Props {
  request: Return
  /** What a customer knows as the name of a thing. */
  nameOf?: (sku: string) => string | undefined
  /** Where it belongs to, in a list of returns of many orders. */
  title?: ReactNode
}

/** A return with what can be decided about it. */
export function ReturnCard({ request, nameOf, title }: Props) {
  const [deciding, setDeciding] = useState<Decision['status'] | null>(null)
  const { status, lines, reason, refund, requestedAt, note } = request
  const { name, tone } = returnWords[status]
  return (
    <li className={styles.card}>
      <div className={styles.head}>
        <div className={styles.title}>
          {title}
          <Badge tone={tone}>{name}</Badge>
          <span className={styles.muted}>{formatMoment(requestedAt)}</span>
        </div>
        <strong>{formatMoney(refund)}</strong>
      </div>
      <ul>
        {lines.map(({ sku, quantity }) => (
          <li key={sku}>
            {quantity} × {nameOf?.(sku) ?? sku}
          </li>
        ))}
      </ul>
      <p>“{reason}”</p>
      {note && <p className={styles.muted}>Our answer: {note}</p>}
      {status === 'requested' && (
        <div className={styles.actions}>
          <Button onClick={() => setDeciding('approved')}>Approve</Button>
          <Button look="secondary" onClick={() => setDeciding('rejected')}>
            Reject
          </Button>
        </div>
      )}
      {status === 'approved' && (
        <div className={styles.actions}>
          <Button onClick={() => setDeciding('received')}>Parcel received</Button>
        </div>
      )}
      {deciding && <DecisionDialog request={request} decision={deciding} onClose={() => setDeciding(null)} />}
    </li>
  )
}

const dialogs: Record<Decision['status'], { title: string; action: string; done: string }> = {
  approved: { title: 'Approve this return?', action: 'Approve', done: 'Approved. The customer gets a mail.' },
  rejected: { title: 'Reject this return?', action: 'Reject', done: 'Rejected. The customer gets a mail.' },
  received: { title: 'Has the parcel arrived?', action: 'Received, send the money back', done: 'Received. The money is on its way back.' },
}

function DecisionDialog({ request, decision, onClose }: { request: Return; decision: Decision['status']; onClose: () => void }) {
  const { mutate, isPending, error } = useDecideReturn(request.id)
  const toast = useToast()
  const { title, action, done } = dialogs[decision]

  function submit({ note = '', restock }: Record<string, string>) {
    mutate(
      { status: decision, ...(note ? { note } : {}), ...(decision === 'received' ? { restock: restock !== undefined } : {}) },
      {
        onSuccess: () => {
          toast({ text: done })
          onClose()
        },
      },
    )
  }

  return (
    <ActionDialog title={title} action={action} busy={isPending} error={error} onClose={onClose} onSubmit={submit}>
      {decision === 'received' && (
        <>
          <p>{formatMoney(request.refund)} goes back to the customer.</p>
          <CheckField label="Put the pieces back on the shelf" name="restock" defaultChecked />
        </>
      )}
      <Field label="Note to the customer" name="note" required={decision === 'rejected'} maxLength={500} autoComplete="off" />
    </ActionDialog>
  )
}
