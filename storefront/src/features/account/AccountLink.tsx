import { useQuery } from '@tanstack/react-query'
import { NavLink, useLocation } from 'react-router'
import { paths } from '@/paths'
import { PersonIcon } from '@/ui/icons'
import styles from './AccountLink.module.css'
import { meQuery } from './queries'

/** Nobody wants to be led back to these after signing in. */
const endsHere = new Set([paths.home, paths.signIn(), paths.register(), paths.verifyEmail, paths.forgotPassword, paths.resetPassword])

/** The way to the account, or to signing in and back to this page. */
export function AccountLink() {
  const { data: user } = useQuery(meQuery)
  const { pathname, search } = useLocation()
  return (
    <NavLink to={user ? paths.account.profile : paths.signIn(endsHere.has(pathname) ? undefined : pathname + search)} className={styles.link}>
      <PersonIcon />
      <span>{user ? 'Account' : 'Sign in'}</span>
    </NavLink>
  )
}
