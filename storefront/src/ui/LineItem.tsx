import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { Money } from './Money'
import type { Amount } from './money'
import { Picture } from './Picture'
import styles from './LineItem.module.css'

interface Props {
  name: string
  to?: string | undefined
  image: string | undefined
  tint: string | undefined
  detail: ReactNode
  /** Absent where a thing has no price. */
  total: Amount | undefined
  pending?: boolean
  /** Controls under the detail. */
  children?: ReactNode
}

/** One line of a basket or an order. */
export function LineItem({ name, to, image, tint, detail, total, pending = false, children }: Props) {
  return (
    <li className={styles.line}>
      <Picture src={image} size="small" tint={tint} />
      <div className={styles.text}>
        <p className={styles.name}>{to ? <Link to={to}>{name}</Link> : name}</p>
        <p className={styles.detail}>{detail}</p>
      </div>
      <p className={styles.total} aria-busy={pending}>
        {total && <Money value={total} />}
      </p>
      {children && <div className={styles.controls}>{children}</div>}
    </li>
  )
}
