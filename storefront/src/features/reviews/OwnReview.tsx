import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useLocation } from 'react-router'
import { formErrors, ProblemError } from '@/api/client'
import type { MyReview, User } from '@/api/types'
import { paths } from '@/paths'
import { Badge, type BadgeTone } from '@/ui/Badge'
import { Button, ButtonLink } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Field, TextField } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { Notice } from '@/ui/Notice'
import { Rating } from '@/ui/Rating'
import { StarField } from '@/ui/StarField'
import { useToast } from '@/ui/Toast'
import { ownReviewQuery, useDeleteReview, useSaveReview } from './queries'
import styles from './Reviews.module.css'

interface Props {
  slug: string
  name: string
  user: User | null | undefined
}

const states: Record<MyReview['status'], { name: string; tone: BadgeTone; words: string }> = {
  pending: { name: 'Waiting', tone: 'wait', words: 'Somebody of the shop reads it before others do.' },
  published: { name: 'Published', tone: 'good', words: 'Everybody can read it.' },
  rejected: { name: 'Not published', tone: 'bad', words: 'It was not published.' },
}

/** What the customer says of a product, and the way to say it. */
export function OwnReview({ slug, name, user }: Props) {
  const location = useLocation()
  const { data: own } = useQuery({ ...ownReviewQuery(slug), enabled: Boolean(user) })
  const [open, setOpen] = useState<'write' | 'delete' | null>(null)
  const close = () => setOpen(null)
  if (user === undefined) return null
  if (user === null) {
    return (
      <div className={styles.own}>
        <p className={styles.muted}>Have you bought it? Tell others what you think of it.</p>
        <ButtonLink look="secondary" to={paths.signIn(`${location.pathname}${location.search}`)}>
          Sign in to write a review
        </ButtonLink>
      </div>
    )
  }
  if (own === undefined) return null
  return (
    <div className={styles.own}>
      {own ? (
        <div role="group" aria-label="Your review" className={styles.card}>
          <p className={styles.state}>
            <b>Your review</b> <Badge tone={states[own.status].tone}>{states[own.status].name}</Badge>
          </p>
          <Rating value={own.rating} bare />
          <p>{own.title}</p>
          <p className={styles.muted}>{own.status === 'rejected' && own.reason ? `It was not published: ${own.reason}` : states[own.status].words}</p>
          <div className={styles.actions}>
            <Button look="secondary" onClick={() => setOpen('write')}>
              Edit review
            </Button>
            <Button look="quiet" onClick={() => setOpen('delete')}>
              Delete
            </Button>
          </div>
        </div>
      ) : (
        <>
          <p className={styles.muted}>Have you bought it? Tell others what you think of it.</p>
          <Button look="secondary" onClick={() => setOpen('write')}>
            Write a review
          </Button>
        </>
      )}
      {open === 'write' && <ReviewDialog slug={slug} name={name} own={own} onClose={close} />}
      {open === 'delete' && <DeleteDialog slug={slug} onClose={close} />}
    </div>
  )
}

function ReviewDialog({ slug, name, own, onClose }: { slug: string; name: string; own: MyReview | null; onClose: () => void }) {
  // What was there when the dialog opened is what it changes, or not.
  const [exists] = useState(own !== null)
  const { mutate, isPending, error } = useSaveReview(slug, exists)
  const toast = useToast()
  const code = error instanceof ProblemError ? error.code : undefined

  function submit({ rating = '', title = '', text = '' }: Record<string, string>) {
    if (isPending) return
    mutate(
      { rating: Number(rating), title, text },
      {
        onSuccess: () => {
          toast({ text: 'Thank you. Your review appears once we have read it.' })
          onClose()
        },
      },
    )
  }

  if (code === 'not-a-buyer' || code === 'already-reviewed') {
    return (
      <Dialog title={`Review ${name}`} onClose={onClose}>
        <Notice tone="danger">
          {code === 'not-a-buyer'
            ? 'Reviews come from those who bought the product here, with the account that you use now. Once your order is paid, you can write one.'
            : 'You have reviewed it already, perhaps in another window. Your review is on this page, and you can change it.'}
        </Notice>
        <DialogActions>
          <Button onClick={onClose}>Close</Button>
        </DialogActions>
      </Dialog>
    )
  }
  return (
    <Dialog title={`Review ${name}`} onClose={onClose}>
      <Form {...formErrors(error)} onSubmit={submit}>
        <StarField label="Rating" name="rating" defaultValue={own?.rating} />
        <Field label="Title" name="title" required maxLength={100} autoComplete="off" defaultValue={own?.title} />
        <TextField label="Review" name="text" required rows={6} maxLength={5000} defaultValue={own?.text} hint="What is good about it, what is not? Others see your first name and an initial." />
        <DialogActions>
          <Button type="submit" busy={isPending}>
            {own ? 'Save review' : 'Send review'}
          </Button>
          <Button look="secondary" onClick={onClose}>
            Back
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}

function DeleteDialog({ slug, onClose }: { slug: string; onClose: () => void }) {
  const { mutate, isPending, error } = useDeleteReview(slug)
  const toast = useToast()

  function submit() {
    if (isPending) return
    mutate(undefined, {
      onSuccess: () => {
        toast({ text: 'Your review is deleted.' })
        onClose()
      },
    })
  }

  return (
    <Dialog title="Delete your review?" onClose={onClose}>
      <Form {...formErrors(error)} onSubmit={submit}>
        <p>Nobody can read it any more, and its stars no longer count.</p>
        <DialogActions>
          <Button type="submit" busy={isPending}>
            Delete review
          </Button>
          <Button look="secondary" onClick={onClose}>
            Back
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
