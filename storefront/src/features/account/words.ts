import { formErrors, ProblemError, sentence } from '@/api/client'
import { NotProved } from './proof'
import { PasskeyError } from './webauthn'

/** Why somebody was not let in, or not let do something about signing in. */
export function refusal(error: unknown): string {
  if (error instanceof PasskeyError || error instanceof NotProved) return error.message
  if (!(error instanceof ProblemError)) return sentence(error)
  switch (error.code) {
    case 'invalid-credentials':
      return 'The e-mail address or the password is wrong.'
    case 'email-not-verified':
      return 'Your e-mail address is not confirmed yet. Open the link in the mail that we sent you.'
    case 'too-many-attempts':
      return error.retryAfter ? `Too many failed attempts. Please try again in ${seconds(error.retryAfter)}.` : error.message
  }
  return error.message
}

function seconds(n: number): string {
  return n < 90 ? `${n} ${n === 1 ? 'second' : 'seconds'}` : `${Math.ceil(n / 60)} minutes`
}

/** `formErrors`, where the shop may also ask for a fresh sign-in or a passkey. */
export function formProblem(error: unknown): { refused?: Record<string, string>; problem?: string } {
  return error instanceof ProblemError && error.fields.length > 0 ? formErrors(error) : error ? { problem: refusal(error) } : {}
}
