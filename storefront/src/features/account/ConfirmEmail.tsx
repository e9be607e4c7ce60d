import { ProblemError, sentence } from '@/api/client'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Notice } from '@/ui/Notice'
import { Panel } from './Panel'
import { useConfirmEmail } from './queries'

/** Moves the account to the address that the token was mailed to, at a press of a button: mail scanners open links, too. */
export function ConfirmEmail({ token }: { token: string | null }) {
  const confirm = useConfirmEmail()
  if (confirm.isSuccess) {
    return (
      <Panel title="Your address is changed">
        <p role="status">Every device was signed out. Sign in with your new address.</p>
        <ButtonLink to={paths.signIn()} size="large">
          Sign in
        </ButtonLink>
      </Panel>
    )
  }
  return (
    <Panel title="Confirm your new address">
      {confirm.isError && <Notice tone="danger">{problem(confirm.error)}</Notice>}
      {token ? (
        <>
          <p>One press, and your account moves to this address. Every device is signed out, and you sign in with the new address.</p>
          <Button size="large" busy={confirm.isPending} onClick={() => confirm.mutate(token)}>
            Confirm this address
          </Button>
        </>
      ) : (
        <p>Open the link in the mail that we sent you.</p>
      )}
    </Panel>
  )
}

function problem(error: Error): string {
  if (error instanceof ProblemError && error.code === 'invalid-email-token') return 'This link is not valid any more, or was made for another account. It works once, for 24 hours.'
  return sentence(error)
}
