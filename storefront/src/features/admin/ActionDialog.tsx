import type { ReactNode } from 'react'
import { formErrors } from '@/api/client'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Form } from '@/ui/Form'

interface Props {
  title: string
  /** What the button that does it says. */
  action: string
  busy: boolean
  error: unknown
  /** What is wrong before the shop was asked, by field. */
  refused?: Record<string, string> | undefined
  onSubmit: (values: Record<string, string>) => void
  onClose: () => void
  children?: ReactNode
}

/** A question to the staff with what it takes to answer it. */
export function ActionDialog({ title, action, busy, error, refused, onSubmit, onClose, children }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <Form {...(refused ? { refused } : formErrors(error))} onSubmit={(values) => busy || onSubmit(values)}>
        {children}
        <DialogActions>
          <Button type="submit" busy={busy}>
            {action}
          </Button>
          <Button look="secondary" onClick={onClose}>
            Back
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
