import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'react-router'
import { paths } from '@/paths'
import { ButtonLink } from '@/ui/Button'
import styles from './admin.module.css'
import { readCursor, readReturnStatus, withFilter } from './filter'
import { List, Pages } from './List'
import { returnsQuery } from './queries'
import { ReturnCard } from './ReturnCard'
import { returnStatuses, returnWords } from './words'

/** Returns of all orders, by what is to be done with them. */
export function ReturnsQueue() {
  const [search] = useSearchParams()
  const status = readReturnStatus(search)
  const query = useQuery(returnsQuery(status, readCursor(search)))
  return (
    <>
      <nav aria-label="State of returns" className={styles.actions}>
        <ButtonLink look={status ? 'secondary' : 'primary'} to={{ search: '' }} aria-current={status ? undefined : 'true'}>
          All
        </ButtonLink>
        {returnStatuses.map((one) => (
          <ButtonLink key={one} look={one === status ? 'primary' : 'secondary'} to={{ search: withFilter({ status: one }).toString() }} aria-current={one === status ? 'true' : undefined}>
            {returnWords[one].name}
          </ButtonLink>
        ))}
      </nav>
      <List query={query} empty="No returns here" isEmpty={({ items }) => items.length === 0}>
        {({ items }) => (
          <ul className={styles.cards}>
            {items.map((one) => (
              <ReturnCard
                key={one.id}
                request={one}
                title={
                  <h2>
                    <Link to={paths.admin.order(one.orderId)}>Order {one.orderNumber}</Link>
                  </h2>
                }
              />
            ))}
          </ul>
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}
