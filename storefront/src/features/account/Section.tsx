import { useId, type ReactNode } from 'react'
import styles from './Section.module.css'

interface Props {
  title: string
  /** The state of the matter, beside the title. */
  state?: ReactNode
  /** What it is about, in a sentence or two. */
  about?: ReactNode
  children: ReactNode
}

/** One matter on a page of the account. */
export function Section({ title, state, about, children }: Props) {
  const heading = useId()
  return (
    <section aria-labelledby={heading} className={styles.section}>
      <div className={styles.head}>
        <h2 id={heading}>{title}</h2>
        {state}
      </div>
      {about && <p className={styles.about}>{about}</p>}
      {children}
    </section>
  )
}

/** Things under one another, each with what can be done to it at its end. */
export function Rows({ children }: { children: ReactNode }) {
  return <ul className={styles.rows}>{children}</ul>
}

interface RowProps {
  icon: ReactNode
  title: ReactNode
  detail: ReactNode
  action?: ReactNode
}

export function Row({ icon, title, detail, action }: RowProps) {
  return (
    <li className={styles.row}>
      <span aria-hidden className={styles.icon}>
        {icon}
      </span>
      <div className={styles.words}>
        <p className={styles.title}>{title}</p>
        <div className={styles.detail}>{detail}</div>
      </div>
      {action}
    </li>
  )
}

/** Buttons beside one another. */
export function Actions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>
}
