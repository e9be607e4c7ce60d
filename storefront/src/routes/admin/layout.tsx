import { useSuspenseQuery } from '@tanstack/react-query'
import { Suspense } from 'react'
import { Outlet, useLocation, type LoaderFunctionArgs } from 'react-router'
import { meQuery } from '@/features/account/queries'
import { AdminNav } from '@/features/admin/AdminNav'
import { PageSkeleton } from '@/ui/Skeleton'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  const { data: user } = useSuspenseQuery(meQuery)
  const { pathname } = useLocation()
  if (!user) return null
  return (
    <>
      <AdminNav user={user} />
      <Suspense key={pathname} fallback={<PageSkeleton />}>
        <Outlet />
      </Suspense>
    </>
  )
}
