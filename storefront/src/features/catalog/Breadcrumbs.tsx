import { Link } from 'react-router'
import { paths } from '@/paths'
import styles from './Breadcrumbs.module.css'

/** The way down from the whole shop to what is shown. */
export function Breadcrumbs({ path, here }: { path: { slug: string; name: string }[]; here: string }) {
  return (
    <nav aria-label="Breadcrumbs" className={styles.crumbs}>
      <ol>
        <li>
          <Link to={paths.products()}>Shop</Link>
        </li>
        {path.map(({ slug, name }) => (
          <li key={slug}>
            <Link to={paths.products({ category: slug })}>{name}</Link>
          </li>
        ))}
        <li aria-current="page">{here}</li>
      </ol>
    </nav>
  )
}
