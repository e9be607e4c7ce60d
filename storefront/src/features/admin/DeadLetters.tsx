import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { sentence } from '@/api/client'
import type { DeadLetter } from '@/api/types'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Notice } from '@/ui/Notice'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import styles from './admin.module.css'
import { List, Missing } from './List'
import { deadLettersQuery, useDropDeadLetter, useReplayDeadLetter } from './queries'

/** Facts that a service could not take. `mayAct`: whether they may be dealt with, too. */
export function DeadLetters({ mayAct }: { mayAct: boolean }) {
  const query = useQuery(deadLettersQuery)
  const [dropping, setDropping] = useState<DeadLetter | null>(null)
  return (
    <>
      <List query={query} empty="Every fact was taken" isEmpty={({ items, unavailable = [] }) => items.length + unavailable.length === 0}>
        {({ items, unavailable }) => (
          <>
            <Missing services={unavailable} />
            <ul className={styles.cards}>
              {items.map((letter) => (
                <Letter key={`${letter.service} ${letter.id}`} letter={letter} onDrop={mayAct ? () => setDropping(letter) : undefined} />
              ))}
            </ul>
          </>
        )}
      </List>
      {dropping && <DropDialog letter={dropping} onClose={() => setDropping(null)} />}
    </>
  )
}

function Letter({ letter, onDrop }: { letter: DeadLetter; onDrop: (() => void) | undefined }) {
  const replay = useReplayDeadLetter()
  const toast = useToast()
  const { service, topic, subject, error, attempts, failedAt, dead, envelope } = letter
  const name = `${topic} for ${service}`
  return (
    <li className={styles.card} aria-label={name}>
      <div className={styles.head}>
        <div className={styles.title}>
          <h2>{name}</h2>
          <Badge tone={dead ? 'bad' : 'wait'}>{dead ? 'Given up' : 'Still tried'}</Badge>
        </div>
        <span className={styles.muted}>{formatMoment(failedAt)}</span>
      </div>
      <p>{error}</p>
      <p className={styles.muted}>
        {attempts === 1 ? 'Tried once.' : `Tried ${attempts} times.`} About {isOrder(topic) ? <Link to={paths.admin.order(subject)}>{subject}</Link> : subject || 'nothing that has a name'}.
      </p>
      <details>
        <summary>The whole message</summary>
        <pre className={styles.envelope}>{typeof envelope === 'string' ? envelope : JSON.stringify(envelope, null, 2)}</pre>
      </details>
      {replay.isError && <Notice tone="danger">{sentence(replay.error)}</Notice>}
      {onDrop && (
        <div className={styles.actions}>
          <Button look="secondary" aria-label={`Replay ${name}`} busy={replay.isPending} onClick={() => replay.mutate(letter, { onSuccess: () => toast({ text: `${service} has taken it.` }) })}>
            Replay
          </Button>
          <Button look="quiet" aria-label={`Drop ${name}`} onClick={onDrop}>
            Drop
          </Button>
        </div>
      )}
    </li>
  )
}

function DropDialog({ letter, onClose }: { letter: DeadLetter; onClose: () => void }) {
  const { mutate, isPending, error } = useDropDeadLetter()
  const toast = useToast()

  function submit() {
    mutate(letter, {
      onSuccess: () => {
        toast({ text: 'Dropped.' })
        onClose()
      },
    })
  }

  return (
    <ActionDialog title="Drop this fact?" action="Drop it for good" busy={isPending} error={error} onClose={onClose} onSubmit={submit}>
      <p>
        {letter.service} will never hear of {letter.topic}. What it should have done must be done by hand.
      </p>
    </ActionDialog>
  )
}

/** The subject of these facts is an order. */
function isOrder(topic: string): boolean {
  return /^(order|payment|stock|return)-/.test(topic)
}
