import { NavLink } from 'react-router'
import type { User } from '@/api/types'
import { paths } from '@/paths'
import styles from './AdminNav.module.css'
import { isAdmin } from './words'

/** The parts of the back office that somebody may use. */
export function AdminNav({ user }: { user: User }) {
  const { orders, returns, disputes, reconciliation, coupons, products, categories, stock, reviews, imports, audit, deadLetters } = paths.admin
  const groups: [name: string, parts: [name: string, path: string][]][] = [
    [
      'Sales',
      [['Orders', orders], ['Returns', returns], ['Disputes', disputes], ['Reconciliation', reconciliation], ...(isAdmin(user) ? ([['Coupons', coupons]] satisfies [string, string][]) : [])],
    ],
    ['Catalogue', [['Products', products], ['Categories', categories], ['Stock', stock], ['Reviews', reviews], ['Imports', imports], ['Changes', audit]]],
    ['System', [['Dead letters', deadLetters]]],
  ]
  return (
    <nav aria-label="Back office" className={styles.nav}>
      {groups.map(([group, parts]) => (
        <div key={group} role="group" aria-label={group}>
          {parts.map(([name, path]) => (
            <NavLink key={path} to={path}>
              {name}
            </NavLink>
          ))}
        </div>
      ))}
    </nav>
  )
}
