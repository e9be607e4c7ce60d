import { useSuspenseQuery } from '@tanstack/react-query'
import type { LoaderFunctionArgs } from 'react-router'
import { meQuery } from '@/features/account/queries'
import { Stock } from '@/features/admin/Stock'
import { isAdmin } from '@/features/admin/words'
import { requireStaff } from './requireStaff'

export async function loader({ request }: LoaderFunctionArgs) {
  await requireStaff(request)
  return null
}

export function Component() {
  const { data: user } = useSuspenseQuery(meQuery)
  return <Stock mayAct={isAdmin(user)} />
}
