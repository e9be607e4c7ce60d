import type { ReactNode } from 'react'
import { Money } from './Money'
import type { Amount } from './money'
import styles from './PriceLines.module.css'

interface Row {
  label: string
  value: Amount | undefined
  /** Shown instead of an amount that is not known yet. */
  instead?: ReactNode
  total?: boolean
}

/** Named amounts under one another, the total last. */
export function PriceLines({ rows, pending = false }: { rows: Row[]; pending?: boolean }) {
  return (
    <dl className={styles.lines} aria-busy={pending}>
      {rows.map(({ label, value, instead, total }) => (
        <div key={label} className={total ? styles.total : undefined}>
          <dt>{label}</dt>
          <dd>{value ? <Money value={value} /> : instead}</dd>
        </div>
      ))}
    </dl>
  )
}
