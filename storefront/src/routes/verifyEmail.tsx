import { useSearchParams } from 'react-router'
import { VerifyEmail } from '@/features/account/VerifyEmail'

export function Component() {
  return <VerifyEmail token={useSearchParams()[0].get('token')} />
}
