import { useQuery } from '@tanstack/react-query'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import { Security } from '@/features/account/Security'
import { factorsQuery, passkeysQuery } from '@/features/account/security'
import { ofUser } from '@/routes/requireUser'

export const loader = ofUser(() => {
  void queryClient.prefetchQuery(factorsQuery)
  void queryClient.prefetchQuery(passkeysQuery)
})

export function Component() {
  const { data: user } = useQuery(meQuery)
  return user && <Security user={user} />
}
