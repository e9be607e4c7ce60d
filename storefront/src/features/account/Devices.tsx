import { useSuspenseQuery } from '@tanstack/react-query'
import { needsSignIn } from '@/api/client'
import type { SignedInDevice } from '@/api/types'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { DeviceIcon, PhoneIcon } from '@/ui/icons'
import { Notice } from '@/ui/Notice'
import { useToast } from '@/ui/Toast'
import { Page } from './Page'
import { useSignOutEverywhere } from './queries'
import { Actions, Row, Rows, Section } from './Section'
import { sessionsQuery, useEndOtherSessions, useEndSession } from './security'
import { refusal } from './words'

/** Where the account is signed in, and the way to be signed out there. */
export function Devices({ onSignedOut }: { onSignedOut: () => void }) {
  const { data: sessions } = useSuspenseQuery(sessionsQuery)
  const end = useEndSession()
  const endOthers = useEndOtherSessions()
  const everywhere = useSignOutEverywhere()
  const toast = useToast()
  const others = sessions.filter(({ current }) => !current)
  const problem = [end.error, endOthers.error, everywhere.error].find((error) => error !== null && !needsSignIn(error))
  return (
    <Page title="Devices" lead="Where your account is signed in. Sign out what you do not know, and change your password.">
      {problem && <Notice tone="danger">{refusal(problem)}</Notice>}
      <Section title="This device">
        <Rows>
          {sessions
            .filter(({ current }) => current)
            .map((session) => (
              <Row key={session.id} icon={icon(session)} title={<Named session={session} />} detail={<Seen session={session} />} />
            ))}
        </Rows>
      </Section>
      <Section title="Other devices" about={others.length === 0 ? 'Your account is signed in nowhere else.' : 'Signed out, they have nothing of your account within seconds.'}>
        {others.length > 0 && (
          <Rows>
            {others.map((session) => (
              <Row
                key={session.id}
                icon={icon(session)}
                title={<Named session={session} />}
                detail={<Seen session={session} />}
                action={
                  <Button
                    look="secondary"
                    aria-label={`Sign out ${session.agent}, signed in ${formatMoment(session.createdAt)}`}
                    busy={end.isPending && end.variables === session.id}
                    onClick={() => end.mutate(session.id, { onSuccess: () => toast({ text: `Signed out: ${session.agent}` }) })}
                  >
                    Sign out
                  </Button>
                }
              />
            ))}
          </Rows>
        )}
        <Actions>
          {others.length > 0 && (
            <Button busy={endOthers.isPending} onClick={() => endOthers.mutate(undefined, { onSuccess: () => toast({ text: 'Signed out everywhere else' }) })}>
              Sign out all others
            </Button>
          )}
          <Button look={others.length > 0 ? 'quiet' : 'secondary'} busy={everywhere.isPending} onClick={() => everywhere.mutate(undefined, { onSuccess: onSignedOut })}>
            Sign out everywhere, here too
          </Button>
        </Actions>
      </Section>
    </Page>
  )
}

function Named({ session: { agent, current } }: { session: SignedInDevice }) {
  return (
    <>
      {agent}
      {current && <Badge tone="good">This one</Badge>}
    </>
  )
}

function Seen({ session: { network, createdAt, lastSeenAt, current } }: { session: SignedInDevice }) {
  return (
    <>
      <p>{current ? 'Here now' : `Last seen ${formatMoment(lastSeenAt)}`}</p>
      <p>
        Signed in {formatMoment(createdAt)}
        {network && ` from ${network}`}
      </p>
    </>
  )
}

function icon({ agent }: SignedInDevice) {
  return /iPhone|Android/.test(agent) ? <PhoneIcon /> : <DeviceIcon />
}
