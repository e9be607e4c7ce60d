import type { ComponentProps } from 'react'
import { Link } from 'react-router'
import styles from './Button.module.css'

interface Look {
  look?: 'primary' | 'secondary' | 'quiet' | 'danger'
  size?: 'normal' | 'large'
  /** Shown while the action runs; the button takes no second click, but keeps its focus. */
  busy?: boolean
}

export function Button({ look = 'primary', size = 'normal', busy = false, className, onClick, type = 'button', ...rest }: Look & ComponentProps<'button'>) {
  return (
    <button
      {...rest}
      // The caller's type is one of the three words; the rule wants to see a literal.
      // oxlint-disable-next-line react/button-has-type
      type={type}
      aria-disabled={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      className={[styles.button, styles[look], styles[size], busy && styles.busy, className].filter(Boolean).join(' ')}
    />
  )
}

export function ButtonLink({ look = 'primary', size = 'normal', className, ...rest }: Omit<Look, 'busy'> & ComponentProps<typeof Link>) {
  return <Link {...rest} className={[styles.button, styles[look], styles[size], className].filter(Boolean).join(' ')} />
}

/** A link out of the shop that looks like a button. */
export function ButtonAnchor({ look = 'primary', size = 'normal', children, ...rest }: Omit<Look, 'busy'> & ComponentProps<'a'>) {
  return (
    <a {...rest} className={[styles.button, styles[look], styles[size]].join(' ')}>
      {children}
    </a>
  )
}
