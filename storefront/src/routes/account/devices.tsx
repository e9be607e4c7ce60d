import { useNavigate } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { Devices } from '@/features/account/Devices'
import { sessionsQuery } from '@/features/account/security'
import { paths } from '@/paths'
import { ofUser } from '@/routes/requireUser'

export const loader = ofUser(() => {
  // Who looks for a stranger wants to see the list of now.
  void queryClient.prefetchQuery({ ...sessionsQuery, staleTime: 0 })
})

export function Component() {
  const navigate = useNavigate()
  return <Devices onSignedOut={() => void navigate(paths.home)} />
}
