import { useSearchParams } from 'react-router'
import { ResetPassword } from '@/features/account/ResetPassword'

export function Component() {
  return <ResetPassword token={useSearchParams()[0].get('token')} />
}
