import { useNavigate } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { Privacy } from '@/features/account/Privacy'
import { exportsQuery } from '@/features/account/privacy'
import { paths } from '@/paths'
import { ofUser } from '@/routes/requireUser'

export const loader = ofUser(() => {
  void queryClient.prefetchQuery(exportsQuery)
})

export function Component() {
  const navigate = useNavigate()
  return <Privacy onErasing={(link) => void navigate(paths.erasure(link))} />
}
