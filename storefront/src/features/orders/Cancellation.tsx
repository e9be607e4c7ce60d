import { useState } from 'react'
import { sentence } from '@/api/client'
import type { Order } from '@/api/types'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Notice } from '@/ui/Notice'
import { useCancelOrder } from './queries'

/** The way out of an order that has not left the house yet. */
export function Cancellation({ order }: { order: Order }) {
  const [asking, setAsking] = useState(false)
  const cancel = useCancelOrder(order.id)
  // What was asked stays open while it is answered, even if the order moved on meanwhile.
  if (!order.cancellable && !asking) return null

  function close() {
    setAsking(false)
    cancel.reset()
  }

  return (
    <div>
      <Button look="secondary" onClick={() => setAsking(true)}>
        Cancel order
      </Button>
      {asking && (
        <Dialog title="Cancel this order?" onClose={close}>
          <p>What you have paid goes back the way it came. The items go back on the shelf.</p>
          {cancel.isError && <Notice tone="danger">{sentence(cancel.error)}</Notice>}
          <DialogActions>
            <Button busy={cancel.isPending} onClick={() => cancel.mutate(undefined, { onSuccess: close })}>
              Yes, cancel it
            </Button>
            <Button look="secondary" onClick={close}>
              Keep it
            </Button>
          </DialogActions>
        </Dialog>
      )}
    </div>
  )
}
