import { useQuery } from '@tanstack/react-query'
import { Suspense } from 'react'
import { Outlet, useLocation, useNavigate } from 'react-router'
import { AccountNav } from '@/features/account/AccountNav'
import { FreshLogin } from '@/features/account/FreshLogin'
import { meQuery } from '@/features/account/queries'
import { paths } from '@/paths'
import { PageSkeleton } from '@/ui/Skeleton'
import styles from './layout.module.css'

/** What the pages of the account have around them. */
export function Component() {
  const { data: user } = useQuery(meQuery)
  const { pathname } = useLocation()
  const navigate = useNavigate()
  if (!user) return <PageSkeleton /> // signed out a moment ago, and on the way elsewhere
  return (
    <div className={styles.account}>
      <AccountNav user={user} onSignedOut={() => void navigate(paths.home)} />
      <FreshLogin>
        <Suspense key={pathname} fallback={<PageSkeleton />}>
          <Outlet />
        </Suspense>
      </FreshLogin>
    </div>
  )
}
