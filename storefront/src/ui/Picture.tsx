import styles from './Picture.module.css'

interface Props {
  src: string | undefined
  /** Addresses of the picture's sizes, as `srcset` has them. */
  srcSet?: string | undefined
  /** Empty where the name stands beside the picture. */
  alt?: string
  /** Things with the same word get the same tint behind them. */
  tint?: string | undefined
  size?: 'tile' | 'large' | 'full' | 'small'
  /** Set for the first pictures of a page, so that they are fetched at once. */
  eager?: boolean
}

/** How wide the picture is in each size, for the choice of its file. */
const sizes = { small: '4rem', tile: '(max-width: 46rem) 30vw, 11rem', large: '(max-width: 46rem) 60vw, 20rem', full: '100vw' }

/** A product's picture on a soft tint. */
export function Picture({ src, srcSet, alt = '', tint = '', size = 'tile', eager = false }: Props) {
  return (
    <span className={`${styles.picture} ${styles[size]}`} style={{ '--hue': hue(tint) }}>
      {src && <img src={src} srcSet={srcSet} sizes={sizes[size]} alt={alt} width={256} height={256} loading={eager ? 'eager' : 'lazy'} fetchPriority={eager ? 'high' : 'auto'} decoding="async" />}
    </span>
  )
}

/** A colour angle for a word: even steps on the wheel, so that two words are either equal or clearly apart. */
function hue(word: string): number {
  let hash = 7
  for (const letter of word) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 9973
  return ((hash % 12) * 30 + 15) % 360
}
