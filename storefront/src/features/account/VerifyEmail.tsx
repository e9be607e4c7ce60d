import { ProblemError } from '@/api/client'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Notice } from '@/ui/Notice'
import { Panel } from './Panel'
import { useVerifyEmail } from './queries'

/** Confirms an address with the mailed token, at a press of a button: mail scanners open links, too. */
export function VerifyEmail({ token }: { token: string | null }) {
  const verify = useVerifyEmail()
  if (verify.isSuccess) {
    return (
      <Panel title="Your address is confirmed">
        <p role="status">Thank you. You can sign in now.</p>
        <ButtonLink to={paths.signIn()} size="large">
          Sign in
        </ButtonLink>
      </Panel>
    )
  }
  return (
    <Panel title="Confirm your address">
      {verify.isError && (
        <Notice tone="danger">
          {verify.error instanceof ProblemError && verify.error.status < 500 ? 'This link is not valid any more. It works once, for 24 hours.' : verify.error.message}
        </Notice>
      )}
      {token ? (
        <>
          <p>One press, and your account is ready.</p>
          <Button size="large" busy={verify.isPending} onClick={() => verify.mutate(token)}>
            Confirm address
          </Button>
        </>
      ) : (
        <p>Open the link in the mail that we sent you.</p>
      )}
    </Panel>
  )
}
