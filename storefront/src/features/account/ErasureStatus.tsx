import { useSuspenseQuery } from '@tanstack/react-query'
import type { PrivacyRequest } from '@/api/types'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { CopyButton } from '@/ui/CopyButton'
import { formatDay, formatMoment } from '@/ui/dates'
import { Notice } from '@/ui/Notice'
import styles from './ErasureStatus.module.css'
import { Page } from './Page'
import { erasureQuery } from './privacy'
import { Actions, Section } from './Section'

/** What each part of the shop holds, in words. */
const parts: Record<string, string> = {
  auth: 'Account and ways to sign in',
  client: 'Profile, addresses, wishlist, preferences',
  basket: 'Basket',
  catalog: 'Reviews',
  ordering: 'Orders',
  notification: 'Mails',
}

/** How far an erasure is, and at its end the proof of it. Whoever has the link sees it; it names nobody. */
export function ErasureStatus({ link }: { link: string }) {
  const { data: erasure } = useSuspenseQuery(erasureQuery(link))
  const kept = erasure.parts.flatMap((part) => part.kept ?? [])
  const over = erasure.status === 'done'
  return (
    <Page
      title={over ? 'You are erased' : 'You are being erased'}
      lead={over ? 'Every part of the shop has forgotten you. Keep this page as the proof of it: it names nobody.' : 'Your account is closed. This page shows how far we are, and is the proof at the end. Keep its address: it is the only way back here.'}
    >
      <Actions>
        <CopyButton text={location.href}>Copy the address of this page</CopyButton>
        <Button look="quiet" onClick={() => print()}>
          Print
        </Button>
      </Actions>
      <Section title="What was done" state={<span role="status">{over ? <Badge tone="good">Complete</Badge> : <Badge tone="wait">Under way</Badge>}</span>}>
        <dl className={styles.times}>
          <div>
            <dt>Asked for</dt>
            <dd>{formatMoment(erasure.createdAt)}</dd>
          </div>
          {erasure.finishedAt && (
            <div>
              <dt>Completed</dt>
              <dd>{formatMoment(erasure.finishedAt)}</dd>
            </div>
          )}
        </dl>
        <ul className={styles.parts}>
          {erasure.parts.map((part) => (
            <li key={part.service} data-done={part.done}>
              <span>{parts[part.service] ?? part.service}</span>
              <span>{state(part)}</span>
            </li>
          ))}
        </ul>
      </Section>
      {kept.length > 0 && (
        <Section title="What has to stay" about="The law asks us to keep this for a while. It is used for nothing else.">
          <ul className={styles.parts}>
            {kept.map(({ what, why, until }) => (
              <li key={what + until}>
                <span>{what}</span>
                <span>
                  {why}, until {formatDay(until)}
                </span>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {!over && erasure.parts.some(({ waiting }) => waiting === 'not-yet') && (
        <Notice tone="warn">An order of yours is under way. We finish it, and go on with the rest by ourselves.</Notice>
      )}
    </Page>
  )
}

function state({ done, at, waiting }: PrivacyRequest['parts'][number]): string {
  if (done) return at ? `Erased ${formatMoment(at)}` : 'Erased'
  return waiting === 'not-yet' ? 'Waits for an order' : waiting ? 'Tried again soon' : 'To come'
}
