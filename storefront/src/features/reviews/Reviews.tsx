import { useInfiniteQuery } from '@tanstack/react-query'
import { useSearchParams } from 'react-router'
import { sentence } from '@/api/client'
import type { Review, ReviewSummary, User } from '@/api/types'
import { Button } from '@/ui/Button'
import { formatDay } from '@/ui/dates'
import { Message } from '@/ui/Message'
import { Rating } from '@/ui/Rating'
import { Skeleton } from '@/ui/Skeleton'
import { OwnReview } from './OwnReview'
import { reviewsQuery, sorts, type Sort } from './queries'
import styles from './Reviews.module.css'

const sortNames: Record<Sort, string> = { newest: 'Newest', '-rating': 'Best first', rating: 'Worst first' }

interface Props {
  slug: string
  /** Of the product. */
  name: string
  /** Who looks; null for a visitor, undefined while that is not known. */
  user: User | null | undefined
}

/** What buyers say of a product. The order stands in the URL. */
export function Reviews({ slug, name, user }: Props) {
  const [search, setSearch] = useSearchParams()
  const sort = sorts.find((known) => known === search.get('reviews')) ?? 'newest'
  const list = useInfiniteQuery(reviewsQuery(slug, sort))
  const summary = list.data?.pages[0]?.summary
  const reviews = list.data?.pages.flatMap(({ items }) => items) ?? []

  function order(next: string) {
    setSearch(
      (now) => {
        now.set('reviews', next)
        return now
      },
      { replace: true, preventScrollReset: true },
    )
  }

  return (
    <section id="reviews" aria-labelledby="reviews-heading" className={styles.reviews}>
      <div className={styles.side}>
        <h2 id="reviews-heading">Reviews</h2>
        {summary && summary.count > 0 && <Summary summary={summary} />}
        <OwnReview slug={slug} name={name} user={user} />
      </div>
      <div className={styles.list}>
        {list.isError ? (
          <Message title="The reviews could not be loaded" action={<Button onClick={() => void list.refetch()}>Try again</Button>}>
            {sentence(list.error)}
          </Message>
        ) : list.isPending ? (
          <div role="status">
            <span className="visually-hidden">Loading reviews</span>
            <Skeleton width="40%" />
            <Skeleton width="90%" />
            <Skeleton width="75%" />
          </div>
        ) : reviews.length === 0 ? (
          <p className={styles.none}>Nobody has reviewed it yet. Who buys it can be the first.</p>
        ) : (
          <>
            {reviews.length > 1 && (
              <label className={styles.sort}>
                <span>Sort reviews by</span>
                <select value={sort} onChange={(event) => order(event.target.value)}>
                  {sorts.map((one) => (
                    <option key={one} value={one}>
                      {sortNames[one]}
                    </option>
                  ))}
                </select>
              </label>
            )}
            <ul aria-label="Reviews" className={styles.items}>
              {reviews.map((review) => (
                <li key={review.id}>
                  <ReviewCard review={review} />
                </li>
              ))}
            </ul>
            {list.hasNextPage && (
              <Button look="secondary" className={styles.more} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                Load more reviews
              </Button>
            )}
          </>
        )}
      </div>
    </section>
  )
}

function ReviewCard({ review: { rating, title, text, author, verified, createdAt } }: { review: Review }) {
  return (
    <article className={styles.review}>
      <header>
        <Rating value={rating} bare />
        <h3>{title}</h3>
      </header>
      <p className={styles.text}>{text}</p>
      <footer>
        <b>{author}</b>
        {verified && <span className={styles.verified}>Bought it</span>}
        <time dateTime={createdAt}>{formatDay(createdAt)}</time>
      </footer>
    </article>
  )
}

const stars = ['5', '4', '3', '2', '1'] as const

function Summary({ summary: { average, count, stars: counts } }: { summary: ReviewSummary }) {
  return (
    <div className={styles.summary}>
      <p className={styles.average}>{average.toLocaleString(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 })}</p>
      <div>
        <Rating value={average} bare />
        <p className={styles.muted}>
          {count} {count === 1 ? 'review' : 'reviews'}
        </p>
      </div>
      <ul aria-label="How many stars were given" className={styles.bars}>
        {stars.map((star) => (
          <li key={star}>
            <span>
              {star} <span aria-hidden>★</span>
              <span className="visually-hidden">{star === '1' ? 'star' : 'stars'}: </span>
            </span>
            <progress aria-hidden max={count} value={counts[star] ?? 0} />
            <span>{counts[star] ?? 0}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}
