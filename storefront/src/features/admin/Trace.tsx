import { useQuery } from '@tanstack/react-query'
import { useId } from 'react'
import type { TraceItem } from '@/api/types'
import { Button } from '@/ui/Button'
import { formatClock, formatDay, formatMoment } from '@/ui/dates'
import { Notice } from '@/ui/Notice'
import styles from './admin.module.css'
import { List, Missing } from './List'
import { traceQuery } from './queries'
import { delay, findings, story } from './trace'
import trace from './Trace.module.css'
import { traceWords } from './words'

/** Everything that happened for an order, in every service, and what should have happened and did not. */
export function Trace({ id }: { id: string }) {
  const heading = useId()
  const query = useQuery(traceQuery(id))
  return (
    <section aria-labelledby={heading} className={styles.section}>
      <div className={`${styles.head} ${styles.fill}`}>
        <h2 id={heading}>What happened</h2>
        <Button look="secondary" busy={query.isFetching} onClick={() => void query.refetch()}>
          Look again
        </Button>
      </div>
      <div className={styles.fill}>
        <List query={query} empty="Nothing has happened yet" isEmpty={({ items }) => items.length === 0}>
          {({ items, unavailable }) => (
            <div className={styles.cards}>
              <Missing services={unavailable} />
              <Stuck items={items} />
              <ol className={trace.trace}>
                {story(items).map((item, index, all) => (
                  <Item key={`${item.at} ${item.service} ${item.kind} ${item.name} ${item.eventId}`} item={item} before={all[index - 1]} />
                ))}
              </ol>
            </div>
          )}
        </List>
      </div>
    </section>
  )
}

function Stuck({ items }: { items: TraceItem[] }) {
  const found = findings(items)
  if (found.length === 0) return null
  return (
    <Notice tone="warn" title="Why it may be stuck">
      <ul>
        {found.map(({ at, text }) => (
          <li key={`${at} ${text}`}>
            {text} <span className={styles.muted}>Since {formatMoment(at)}.</span>
          </li>
        ))}
      </ul>
    </Notice>
  )
}

function Item({ item, before }: { item: TraceItem; before: TraceItem | undefined }) {
  const { at, service, kind, name, detail, eventId, consumers = [] } = item
  const newDay = !before || formatDay(before.at) !== formatDay(at)
  return (
    <li data-kind={kind}>
      {newDay && <p className={trace.day}>{formatDay(at)}</p>}
      <div className={trace.item}>
        <time dateTime={at}>{formatClock(at)}</time>
        <div className={trace.what}>
          <p>
            <strong>{name}</strong> <span className={trace.kind}>{traceWords[kind]}</span> <span className={styles.muted}>{service}</span>
          </p>
          {detail && <p className={styles.muted}>{detail}</p>}
          {eventId && <p className={trace.id}>{eventId}</p>}
          {consumers.length > 0 && (
            <ul className={trace.consumers} aria-label={`Who hears ${name}`}>
              {consumers.map(({ service: consumer, deliveredAt }) => (
                <li key={consumer} data-late={!deliveredAt}>
                  {consumer} {deliveredAt ? <time dateTime={deliveredAt}>after {delay(at, deliveredAt)}</time> : 'not delivered yet'}
                </li>
              ))}
            </ul>
          )}
        </div>
      </div>
    </li>
  )
}
