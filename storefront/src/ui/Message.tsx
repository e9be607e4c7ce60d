import type { ReactNode } from 'react'
import styles from './Message.module.css'

/** What stands where content would be: nothing there yet, nothing found, or a failure with a way on. */
export function Message({ title, level = 2, children, action }: { title: string; level?: 1 | 2; children?: ReactNode; action?: ReactNode }) {
  const Heading = level === 1 ? 'h1' : 'h2'
  return (
    <section className={styles.message}>
      <Heading>{title}</Heading>
      {children && <div className={styles.text}>{children}</div>}
      {action && <div className={styles.action}>{action}</div>}
    </section>
  )
}
