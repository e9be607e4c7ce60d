import { useQuery } from '@tanstack/react-query'
import { useCurrency } from '@/api/currency'
import { sized } from '@/api/images'
import { paths } from '@/paths'
import { ButtonLink } from '@/ui/Button'
import { Picture } from '@/ui/Picture'
import { shelfQuery } from './queries'
import styles from './Hero.module.css'

/** How many products the home page's shelves ask for; the collage shows the first of the newest, so that one request serves both. */
export const shelfSize = 8

export function Hero() {
  const { data = [] } = useQuery(shelfQuery({ sort: 'newest' }, useCurrency(), shelfSize))
  return (
    <section className={styles.hero} aria-label="Welcome">
      <div className={styles.words}>
        <h1>
          Good things <br />
          for <em>ordinary days.</em>
        </h1>
        <p>Useful and cheerful finds for the kitchen, the desk, the garden and the road, picked one by one.</p>
        <div className={styles.actions}>
          <ButtonLink to={paths.products()} size="large">
            Shop everything
          </ButtonLink>
          <ButtonLink to={paths.products({ sort: 'newest' })} size="large" look="secondary">
            New arrivals
          </ButtonLink>
        </div>
      </div>
      <div className={styles.collage} aria-hidden>
        {[0, 1, 2, 3, 4].map((place) => (
          <Picture key={place} {...sized(data[place]?.image)} tint={data[place]?.slug} eager />
        ))}
      </div>
    </section>
  )
}
