import { useSearchParams } from 'react-router'
import { chooseCurrency, currencies, useCurrency, type Currency } from '@/api/currency'
import styles from './CurrencySwitch.module.css'

/** The currency in which prices are shown. What a URL says of prices is meant in the currency that it names, so it goes. */
export function CurrencySwitch() {
  const [search, setSearch] = useSearchParams()

  function choose(currency: Currency) {
    chooseCurrency(currency)
    if (!search.has('currency')) return
    setSearch(
      (now) => {
        for (const name of ['currency', 'minPrice', 'maxPrice', 'pages']) now.delete(name)
        return now
      },
      { replace: true, preventScrollReset: true },
    )
  }

  return (
    <select aria-label="Currency" className={styles.select} value={useCurrency()} onChange={(event) => choose(event.target.value as Currency)}>
      {currencies.map((currency) => (
        <option key={currency}>{currency}</option>
      ))}
    </select>
  )
}
