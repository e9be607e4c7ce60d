import { useRef, type ReactNode } from 'react'
import { useBeforeUnload, useBlocker } from 'react-router'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'

interface Unsaved {
  /** Something was changed. */
  touch: () => void
  /** All of it is saved. */
  settle: () => void
  /** The question, while somebody is about to leave. */
  question: ReactNode
}

/** Asks somebody who leaves a page whether what they changed on it may be lost. */
export function useUnsaved(): Unsaved {
  // Read when somebody leaves, which may be before the page is drawn again.
  const touched = useRef(false)
  const blocker = useBlocker(({ currentLocation, nextLocation }) => touched.current && currentLocation.pathname !== nextLocation.pathname)
  useBeforeUnload((event) => touched.current && event.preventDefault())
  return {
    touch: () => {
      touched.current = true
    },
    settle: () => {
      touched.current = false
    },
    question: blocker.state === 'blocked' && (
      <Dialog title="Leave without saving?" onClose={() => blocker.reset()}>
        <p>What you have changed here is not saved yet, and would be lost.</p>
        <DialogActions>
          <Button onClick={() => blocker.reset()}>Stay</Button>
          <Button look="secondary" onClick={() => blocker.proceed()}>
            Leave
          </Button>
        </DialogActions>
      </Dialog>
    ),
  }
}
