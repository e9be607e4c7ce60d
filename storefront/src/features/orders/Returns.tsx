import { useId, useState } from 'react'
import { formErrors } from '@/api/client'
import type { Order } from '@/api/types'
import { Badge, type BadgeTone } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { Picture } from '@/ui/Picture'
import { formatDay } from '@/ui/dates'
import { useToast } from '@/ui/Toast'
import { returnableLines, useRequestReturn } from './queries'
import styles from './Returns.module.css'
import { returnNames, returnText } from './words'

const tones: Record<Order['returns'][number]['status'], BadgeTone> = { requested: 'wait', approved: 'good', rejected: 'bad', received: 'good', refunded: 'good' }

/** What went back or is to go back, and the way to send something back. */
export function Returns({ order }: { order: Order }) {
  const [asking, setAsking] = useState(false)
  const heading = useId()
  const offered = order.returnable && returnableLines(order).length > 0
  if (!offered && !asking && order.returns.length === 0) return null
  const nameOf = (sku: string) => order.lines.find((line) => line.sku === sku)?.name ?? sku
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>Returns</h2>
      {order.returns.length > 0 && (
        <ul className={styles.returns}>
          {order.returns.map((one) => (
            <li key={one.id}>
              <p className={styles.head}>
                <Badge tone={tones[one.status]}>{returnNames[one.status]}</Badge> {formatDay(one.requestedAt)}
              </p>
              <p>{one.lines.map(({ sku, quantity }) => `${quantity} × ${nameOf(sku)}`).join(', ')}</p>
              <p className={styles.text}>{returnText(one)}</p>
              {one.note && <p className={styles.text}>“{one.note}”</p>}
            </li>
          ))}
        </ul>
      )}
      {offered && (
        <div>
          <Button look="secondary" onClick={() => setAsking(true)}>
            Send something back
          </Button>
        </div>
      )}
      {asking && <ReturnDialog order={order} onClose={() => setAsking(false)} />}
    </section>
  )
}

function ReturnDialog({ order, onClose }: { order: Order; onClose: () => void }) {
  const request = useRequestReturn(order.id)
  const toast = useToast()
  const [empty, setEmpty] = useState(false)
  const [lines] = useState(() => returnableLines(order))
  const [quantities, setQuantities] = useState<Record<string, number>>({})

  function submit({ reason = '' }: Record<string, string>) {
    const chosen = Object.entries(quantities)
      .map(([sku, quantity]) => ({ sku, quantity }))
      .filter(({ quantity }) => quantity > 0)
    setEmpty(chosen.length === 0)
    if (chosen.length === 0 || request.isPending) return
    request.mutate(
      { lines: chosen, reason },
      {
        onSuccess: () => {
          toast({ text: 'We have your request and will write to you.' })
          onClose()
        },
      },
    )
  }

  return (
    <Dialog title="Send something back" onClose={onClose}>
      <Form {...(empty ? { problem: 'Choose what you want to send back.' } : formErrors(request.error))} onSubmit={submit}>
        <fieldset className={styles.choices}>
          <legend>What comes back?</legend>
          {lines.map(({ sku, slug, name, image, left }) => (
            <div key={sku} className={styles.choice}>
              <Picture src={image} tint={slug} size="small" />
              <label htmlFor={`return-${sku}`}>{name}</label>
              <select
                id={`return-${sku}`}
                value={quantities[sku] ?? 0}
                onChange={(event) => {
                  setEmpty(false)
                  setQuantities({ ...quantities, [sku]: Number(event.target.value) })
                }}
              >
                {Array.from({ length: left + 1 }, (_, quantity) => (
                  <option key={quantity} value={quantity}>
                    {quantity === 0 ? 'Keep' : quantity}
                  </option>
                ))}
              </select>
            </div>
          ))}
        </fieldset>
        <Field label="Reason" name="reason" autoComplete="off" required maxLength={500} hint="It helps us to do better." />
        <DialogActions>
          <Button type="submit" busy={request.isPending}>
            Ask for the return
          </Button>
          <Button look="secondary" onClick={onClose}>
            Not now
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
