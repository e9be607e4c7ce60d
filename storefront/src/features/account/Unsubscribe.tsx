import { ProblemError, sentence } from '@/api/client'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { Notice } from '@/ui/Notice'
import { Panel } from './Panel'
import { useUnsubscribe } from './queries'

/** Ends one kind of mail, at a press of a button: mail scanners open links, too. Nobody has to sign in for it. */
export function Unsubscribe({ token }: { token: string | null }) {
  const end = useUnsubscribe()
  if (end.isSuccess) {
    return (
      <Panel title="No more of these mails">
        <p role="status">Done. What you agreed to otherwise stays as it is; you find it in your preferences.</p>
        <ButtonLink to={paths.account.preferences} size="large">
          Preferences
        </ButtonLink>
      </Panel>
    )
  }
  return (
    <Panel title="No more of these mails?">
      {end.isError && (
        <Notice tone="danger">{end.error instanceof ProblemError && end.error.status === 404 ? 'This link does not belong to any mail of ours.' : sentence(end.error)}</Notice>
      )}
      {token ? (
        <>
          <p>We write this kind of mail because you agreed to it. One press, and we do not any more.</p>
          <Button size="large" busy={end.isPending} onClick={() => end.mutate(token)}>
            Stop these mails
          </Button>
        </>
      ) : (
        <p>Open the link at the foot of the mail that you do not want any more.</p>
      )}
    </Panel>
  )
}
