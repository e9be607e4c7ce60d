import type { ReactNode } from 'react'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Notice } from '@/ui/Notice'
import { refusal } from './words'

interface Props {
  title: string
  /** What the button that does it says. */
  action: string
  /** Whether it cannot be taken back. */
  final?: boolean
  busy: boolean
  error: unknown
  onConfirm: () => void
  onClose: () => void
  children: ReactNode
}

/** Asks once more before something is taken away. */
export function ConfirmDialog({ title, action, final = false, busy, error, onConfirm, onClose, children }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      {error !== null && <Notice tone="danger">{refusal(error)}</Notice>}
      <DialogActions>
        <Button look={final ? 'danger' : 'primary'} busy={busy} onClick={onConfirm}>
          {action}
        </Button>
        <Button look="secondary" onClick={onClose}>
          Keep it
        </Button>
      </DialogActions>
    </Dialog>
  )
}
