import { useQuery } from '@tanstack/react-query'
import { useId } from 'react'
import { Link } from 'react-router'
import { sized } from '@/api/images'
import { paths } from '@/paths'
import { Picture } from '@/ui/Picture'
import { Skeleton } from '@/ui/Skeleton'
import { categoriesQuery } from './queries'
import styles from './CategoryTiles.module.css'

/** The categories as pictures. */
export function CategoryTiles() {
  const heading = useId()
  const { data, isError } = useQuery(categoriesQuery)
  if (isError || data?.length === 0) return null
  return (
    <section aria-labelledby={heading} className={styles.section}>
      <h2 id={heading}>Shop by category</h2>
      <ul className={styles.tiles} aria-busy={!data}>
        {data
          ? data.map(({ slug, name, image, count }) => (
              <li key={slug} className={styles.tile}>
                <Picture {...sized(image)} tint={slug} />
                <h3>
                  <Link to={paths.products({ category: slug })}>{name}</Link>
                </h3>
                {count !== undefined && <p>{count} products</p>}
              </li>
            ))
          : [0, 1, 2, 3, 4, 5, 6, 7].map((index) => (
              <li key={index}>
                <Skeleton shape="tile" />
              </li>
            ))}
      </ul>
    </section>
  )
}
