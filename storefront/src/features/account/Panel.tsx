import type { ReactNode } from 'react'
import styles from './Panel.module.css'

/** A narrow page with one thing to do. */
export function Panel({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className={styles.panel}>
      <title>{`${title} · Sidecart`}</title>
      <h1>{title}</h1>
      {children}
    </div>
  )
}
