import { useQuery } from '@tanstack/react-query'
import { NavLink } from 'react-router'
import { useCurrency } from '@/api/currency'
import { paths } from '@/paths'
import { BasketIcon } from '@/ui/icons'
import { basketQuery } from './queries'
import styles from './BasketLink.module.css'

/** The way to the basket, with the number of pieces in it. */
export function BasketLink() {
  const { data } = useQuery(basketQuery(useCurrency()))
  const count = data?.count ?? 0
  return (
    <NavLink to={paths.basket} className={styles.link} aria-label={`Basket, ${count} ${count === 1 ? 'item' : 'items'}`}>
      <BasketIcon />
      {count > 0 && <span className={styles.count}>{count}</span>}
    </NavLink>
  )
}
