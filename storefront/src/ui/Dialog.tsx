import { useId, useLayoutEffect, useRef, type ReactNode } from 'react'
import styles from './Dialog.module.css'

interface Props {
  title: string
  /** Called when the dialog is left by Escape; the buttons inside call the same. */
  onClose: () => void
  /** Set for a panel at the side of the window. */
  side?: boolean
  /** Set for what needs all the room there is. */
  wide?: boolean
  children: ReactNode
}

/** A question that wants an answer before anything else. It is open while it is rendered; the browser keeps the focus inside and puts it back after. */
export function Dialog({ title, onClose, side = false, wide = false, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()

  // The layout's effect ends while the dialog is still in the document, without which the browser puts no focus back.
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => {
      element?.close()
      // What opened the dialog may have gone by what was done in it.
      if (document.activeElement === document.body) element?.closest('main')?.focus({ preventScroll: true })
    }
  }, [])

  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      className={[styles.dialog, side && styles.side, wide && styles.wide].filter(Boolean).join(' ')}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  )
}

/** The buttons at the foot of a dialog. */
export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>
}
