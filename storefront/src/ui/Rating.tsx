import styles from './Rating.module.css'

const stars = [1, 2, 3, 4, 5]

interface Props {
  value: number
  /** How many people have rated. */
  count?: number | undefined
  /** One star and the number. */
  short?: boolean
  /** Only the stars. */
  bare?: boolean
}

/** One star. */
export function Star({ className }: { className?: string | undefined }) {
  return (
    <svg viewBox="0 0 20 20" aria-hidden className={className}>
      <path d="M10 1.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8L10 14.9l-5.2 2.7 1-5.8L1.6 7.7l5.8-.8z" />
    </svg>
  )
}

/** Stars out of five. */
export function Rating({ value, count, short = false, bare = false }: Props) {
  const words = `Rated ${value.toLocaleString(undefined, { maximumFractionDigits: 1 })} out of 5`
  return (
    <span className={styles.rating}>
      <span role="img" aria-label={words} className={styles.stars}>
        {(short ? [1] : stars).map((star) => (
          <Star key={star} className={value >= star - 0.25 ? styles.full : value >= star - 0.75 ? styles.half : styles.empty} />
        ))}
      </span>
      {!bare && <span aria-hidden>{value.toLocaleString(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 })}</span>}
      {count !== undefined && (
        <span className={styles.count}>
          ({count}
          <span className="visually-hidden"> {count === 1 ? 'review' : 'reviews'}</span>)
        </span>
      )}
    </span>
  )
}
