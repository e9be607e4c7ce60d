import { currentCurrency } from '@/api/currency'
import { queryClient } from '@/api/queryClient'
import { CategoryTiles } from '@/features/catalog/CategoryTiles'
import { shelfSize, Hero } from '@/features/catalog/Hero'
import { shelfQuery } from '@/features/catalog/queries'
import { Shelf } from '@/features/catalog/Shelf'
import { PulseIcon, ShieldIcon, TruckIcon } from '@/ui/icons'
import styles from './page.module.css'

export function loader() {
  void queryClient.prefetchQuery(shelfQuery({ sort: 'newest' }, currentCurrency(), shelfSize))
  void queryClient.prefetchQuery(shelfQuery({ sort: 'rating' }, currentCurrency(), shelfSize))
  return null
}

export function Component() {
  return (
    <div className={styles.sections}>
      <title>Sidecart · Good things for ordinary days</title>
      <Hero />
      <CategoryTiles />
      <Shelf title="Best loved" filter={{ sort: 'rating' }} limit={shelfSize} />
      <ul className={styles.promises}>
        <li>
          <TruckIcon />
          <div>
            <h2>The price you see</h2>
            <p>Shipping and tax are on the table before you pay.</p>
          </div>
        </li>
        <li>
          <PulseIcon />
          <div>
            <h2>Live from us to you</h2>
            <p>Watch your order move, from our shelf to your door.</p>
          </div>
        </li>
        <li>
          <ShieldIcon />
          <div>
            <h2>Charged once, never twice</h2>
            <p>A lost connection costs you neither an order nor money.</p>
          </div>
        </li>
      </ul>
      <Shelf title="New arrivals" filter={{ sort: 'newest' }} limit={shelfSize} />
    </div>
  )
}
