import { BasketView } from '@/features/basket/BasketView'
import styles from './page.module.css'

export function Component() {
  return (
    <div className={styles.page}>
      <title>Basket · Sidecart</title>
      <h1>Your basket</h1>
      <BasketView />
    </div>
  )
}
