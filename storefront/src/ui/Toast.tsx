import { createContext, use, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import styles from './Toast.module.css'

interface Toast {
  text: string
  /** A link or a button, shown after the text. */
  action?: (close: () => void) => ReactNode
}

const Show = createContext<(toast: Toast) => void>(() => {})

/** Returns a function that shows a short message at the foot of the page. One at a time; the newest wins. */
export function useToast() {
  return use(Show)
}

const shownFor = 7_000

export function Toaster({ children }: { children: ReactNode }) {
  const [toast, setToast] = useState<Toast | null>(null)
  const [held, setHeld] = useState(false)
  const region = useRef<HTMLDivElement>(null)
  const close = useCallback(() => setToast(null), [])
  const hold = useMemo(() => ({ onPointerEnter: () => setHeld(true), onPointerLeave: () => setHeld(false), onFocus: () => setHeld(true), onBlur: () => setHeld(false) }), [])

  useEffect(() => {
    if (!toast || held) return
    const timer = setTimeout(close, shownFor)
    return () => clearTimeout(timer)
  }, [toast, held, close])

  return (
    <Show value={setToast}>
      {children}
      <div ref={region} role="status" className={styles.region}>
        {toast && (
          <div className={styles.toast} {...hold}>
            <span>{toast.text}</span>
            {toast.action?.(close)}
            <button type="button" className={styles.close} aria-label="Dismiss message" onClick={close}>
              ✕
            </button>
          </div>
        )}
      </div>
    </Show>
  )
}
