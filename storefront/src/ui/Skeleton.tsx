import styles from './Skeleton.module.css'

/** A grey shape of what is coming. Hidden from screen readers; the region around it says that it is busy. */
export function Skeleton({ shape = 'text', width }: { shape?: 'text' | 'title' | 'tile' | 'block'; width?: string }) {
  return <span aria-hidden className={`${styles.skeleton} ${styles[shape]}`} style={width ? { width } : undefined} />
}

/** A page whose content is on its way. */
export function PageSkeleton() {
  return (
    <div className={styles.page} role="status">
      <span className="visually-hidden">Loading</span>
      <Skeleton shape="title" width="40%" />
      <Skeleton width="85%" />
      <Skeleton width="70%" />
      <Skeleton shape="block" />
    </div>
  )
}
