import type { ReactNode } from 'react'
import styles from './Badge.module.css'

export type BadgeTone = 'good' | 'bad' | 'wait' | 'busy'

/** A state in a word. */
export function Badge({ tone, children }: { tone: BadgeTone; children: ReactNode }) {
  return (
    <span className={styles.badge} data-tone={tone}>
      {children}
    </span>
  )
}
