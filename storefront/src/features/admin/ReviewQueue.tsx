import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import { sentence } from '@/api/client'
import type { StaffReview } from '@/api/types'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { TextField } from '@/ui/Field'
import { Notice } from '@/ui/Notice'
import { Rating } from '@/ui/Rating'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import styles from './admin.module.css'
import { reviewsQuery, useModerate } from './catalogQueries'
import { readCursor, readReviewStatus } from './filter'
import { List, Pages } from './List'
import { reviewStatuses, reviewWords } from './words'

/** Reviews of one status, which the URL names; those that wait to be read at first. */
export function ReviewQueue({ mayAct }: { mayAct: boolean }) {
  const [search] = useSearchParams()
  const status = readReviewStatus(search)
  const query = useQuery(reviewsQuery(status, readCursor(search)))
  return (
    <>
      <nav aria-label="Status" className={styles.actions}>
        {reviewStatuses.map((one) => (
          <Link key={one} to={{ search: `status=${one}` }} aria-current={one === status ? 'true' : undefined} className={styles.tab}>
            {reviewWords[one].name}
          </Link>
        ))}
      </nav>
      <List query={query} empty={status === 'pending' ? 'Every review is read' : 'No reviews here'} isEmpty={({ items }) => items.length === 0}>
        {({ items }) => (
          <ul aria-label="Reviews" className={styles.cards}>
            {items.map((review) => (
              <li key={`${review.id} ${review.version}`}>
                <Card review={review} mayAct={mayAct} />
              </li>
            ))}
          </ul>
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}

function Card({ review, mayAct }: { review: StaffReview; mayAct: boolean }) {
  const { product, rating, title, text, author, createdAt, status, reason } = review
  const { mutate, isPending, error } = useModerate(review)
  const [rejecting, setRejecting] = useState(false)
  const toast = useToast()
  const heading = `review-${review.id}`
  return (
    <article aria-labelledby={heading} className={styles.card}>
      <div className={styles.title}>
        <Rating value={rating} bare />
        <h2 id={heading}>{title}</h2>
        <Badge tone={reviewWords[status].tone}>{reviewWords[status].name}</Badge>
      </div>
      <p className={styles.pre}>{text}</p>
      <p className={styles.muted}>
        {author} on <Link to={paths.product(product.slug)}>{product.name}</Link>, {formatMoment(createdAt)}
      </p>
      {reason && <p className={styles.muted}>Rejected: {reason}</p>}
      {error && <Notice tone="danger">{sentence(error)}</Notice>}
      {mayAct && (
        <div className={styles.actions}>
          {status !== 'published' && (
            <Button aria-label={`Publish “${title}”`} busy={isPending} onClick={() => mutate({ status: 'published' }, { onSuccess: () => toast({ text: 'Published. Everybody can read it.' }) })}>
              Publish
            </Button>
          )}
          {status !== 'rejected' && (
            <Button look="secondary" aria-label={`Reject “${title}”`} onClick={() => setRejecting(true)}>
              Reject
            </Button>
          )}
        </div>
      )}
      {rejecting && <RejectDialog review={review} onClose={() => setRejecting(false)} />}
    </article>
  )
}

function RejectDialog({ review, onClose }: { review: StaffReview; onClose: () => void }) {
  const { mutate, isPending, error } = useModerate(review)
  const toast = useToast()

  function submit({ reason = '' }: Record<string, string>) {
    mutate(
      { status: 'rejected', reason },
      {
        onSuccess: () => {
          toast({ text: 'Rejected. Its author can read why.' })
          onClose()
        },
      },
    )
  }

  return (
    <ActionDialog title={`Reject “${review.title}”?`} action="Reject review" busy={isPending} error={error} onClose={onClose} onSubmit={submit}>
      <TextField label="Reason" name="reason" required maxLength={500} hint="Its author reads it." />
    </ActionDialog>
  )
}
