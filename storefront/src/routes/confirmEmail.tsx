import { useSearchParams } from 'react-router'
import { ConfirmEmail } from '@/features/account/ConfirmEmail'
import { ofUser } from './requireUser'

/** Only the account that asked for another address can take it, so it has to be there. */
export const loader = ofUser(() => {})

export function Component() {
  return <ConfirmEmail token={useSearchParams()[0].get('token')} />
}
