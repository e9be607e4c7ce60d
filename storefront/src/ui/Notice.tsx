import type { ReactNode } from 'react'
import styles from './Notice.module.css'

/** A framed sentence or two. Danger interrupts a screen reader, the others do not. */
export function Notice({ tone, title, children }: { tone: 'danger' | 'warn' | 'good'; title?: string; children: ReactNode }) {
  return (
    <div role={tone === 'danger' ? 'alert' : undefined} className={`${styles.notice} ${styles[tone]}`}>
      {title && <p className={styles.title}>{title}</p>}
      <div>{children}</div>
    </div>
  )
}
