import { useNavigate, useSearchParams } from 'react-router'
import { SignInForm } from '@/features/account/SignInForm'
import { cameFrom } from './cameFrom'

export function Component() {
  const from = cameFrom(useSearchParams()[0])
  const navigate = useNavigate()
  return <SignInForm from={from} onDone={() => void navigate(from ?? '/', { replace: true })} />
}
