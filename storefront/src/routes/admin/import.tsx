import { useSuspenseQuery } from '@tanstack/react-query'
import { useParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import { importQuery } from '@/features/admin/catalogQueries'
import { ImportPage } from '@/features/admin/ImportPage'
import { isAdmin } from '@/features/admin/words'
import { requireStaff } from './requireStaff'

export async function loader({ params: { id = '' }, request }: LoaderFunctionArgs) {
  await requireStaff(request)
  void queryClient.prefetchQuery(importQuery(id))
  return null
}

export function Component() {
  const { id = '' } = useParams()
  const { data: user } = useSuspenseQuery(meQuery)
  return <ImportPage key={id} id={id} mayAct={isAdmin(user)} />
}
