import { useParams, type LoaderFunctionArgs } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { ErasureStatus } from '@/features/account/ErasureStatus'
import { erasureQuery } from '@/features/account/privacy'

export function loader({ params: { link = '' } }: LoaderFunctionArgs) {
  void queryClient.prefetchQuery(erasureQuery(link))
  return null
}

export function Component() {
  const { link = '' } = useParams()
  return <ErasureStatus key={link} link={link} />
}
