import { useQuery } from '@tanstack/react-query'
import { queryClient } from '@/api/queryClient'
import { Profile } from '@/features/account/Profile'
import { meQuery, profileQuery } from '@/features/account/queries'
import { ofUser } from '@/routes/requireUser'

export const loader = ofUser(() => {
  void queryClient.prefetchQuery(profileQuery)
})

export function Component() {
  const { data: user } = useQuery(meQuery)
  return user && <Profile user={user} />
}
