import { useSearchParams } from 'react-router'
import { RegisterForm } from '@/features/account/RegisterForm'
import { cameFrom } from './cameFrom'

export function Component() {
  return <RegisterForm from={cameFrom(useSearchParams()[0])} />
}
