import { useSearchParams } from 'react-router'
import { Unsubscribe } from '@/features/account/Unsubscribe'

export function Component() {
  return <Unsubscribe token={useSearchParams()[0].get('token')} />
}
