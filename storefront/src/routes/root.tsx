import { useQuery } from '@tanstack/react-query'
import { Suspense, useEffect, useRef } from 'react'
import { Link, NavLink, Outlet, ScrollRestoration, useLocation, useNavigation, useSearchParams } from 'react-router'
import { currentCurrency, useCurrency } from '@/api/currency'
import { queryClient } from '@/api/queryClient'
import { AccountLink } from '@/features/account/AccountLink'
import { meQuery } from '@/features/account/queries'
import { isStaff } from '@/features/admin/words'
import { BasketLink } from '@/features/basket/BasketLink'
import { basketQuery } from '@/features/basket/queries'
import { CurrencySwitch } from '@/features/catalog/CurrencySwitch'
import { categoriesQuery } from '@/features/catalog/queries'
import { SearchForm } from '@/features/catalog/SearchForm'
import { attempts } from '@/features/checkout/queries'
import { paths } from '@/paths'
import { PageSkeleton } from '@/ui/Skeleton'
import { Toaster } from '@/ui/Toast'
import styles from './root.module.css'

export function loader() {
  void queryClient.prefetchQuery(meQuery)
  void queryClient.prefetchQuery(basketQuery(currentCurrency()))
  void queryClient.prefetchQuery(categoriesQuery)
  return null
}

/** What every page has: the head, the foot, and the messages between. */
export function Component() {
  const { pathname } = useLocation()
  const main = useMainFocus(pathname)
  useSettledCheckout()
  return (
    <Toaster>
      <a href="#main" className={styles.skip}>
        Skip to content
      </a>
      <Progress />
      <Head />
      <main id="main" ref={main} tabIndex={-1} className={styles.main}>
        <Suspense key={pathname} fallback={<PageSkeleton />}>
          <Outlet />
        </Suspense>
      </main>
      <Foot />
      <ScrollRestoration />
    </Toaster>
  )
}

function Head() {
  const [search] = useSearchParams()
  const { pathname } = useLocation()
  const staff = isStaff(useQuery(meQuery).data)
  const query = pathname === '/products' ? (search.get('query') ?? '') : ''
  return (
    <header className={styles.head}>
      <div className={styles.bar}>
        <Link to={paths.home} className={styles.logo} aria-label="Sidecart, home">
          <svg viewBox="0 0 32 32" aria-hidden>
            <path d="M4 8h4l2.6 12a2.4 2.4 0 0 0 2.4 1.9h9.4a2.4 2.4 0 0 0 2.3-1.8L27 11.5H9" />
            <circle cx="13.5" cy="26.5" r="2.3" />
            <circle cx="22.5" cy="26.5" r="2.3" />
          </svg>
          Sidecart
        </Link>
        <nav aria-label="Main" className={styles.nav}>
          <NavLink to={paths.products()} end>
            Shop
          </NavLink>
          {staff && <NavLink to={paths.admin.orders}>Back office</NavLink>}
        </nav>
        <div className={styles.search}>
          <SearchForm key={query} initial={query} />
        </div>
        <div className={styles.tools}>
          <CurrencySwitch />
          <AccountLink />
          <BasketLink />
        </div>
      </div>
    </header>
  )
}

function Foot() {
  return (
    <footer className={styles.foot}>
      <div>
        <p className={styles.claim}>Good things for ordinary days.</p>
        <nav aria-label="Footer">
          <ul>
            <li>
              <Link to={paths.products()}>All products</Link>
            </li>
            <li>
              <Link to={paths.orders}>Your orders</Link>
            </li>
            <li>
              <Link to={paths.account.profile}>Your account</Link>
            </li>
            <li>
              <a href="/api/docs">API</a>
            </li>
          </ul>
        </nav>
      </div>
    </footer>
  )
}

/** A line at the top while the next page's code or data is on its way. */
function Progress() {
  const busy = useNavigation().state !== 'idle'
  return <div className={styles.progress} data-busy={busy} aria-hidden />
}

/** Puts the focus on the new page, so that a screen reader reads it and Tab starts there. */
function useMainFocus(pathname: string) {
  const main = useRef<HTMLElement>(null)
  const shown = useRef(pathname)
  useEffect(() => {
    if (shown.current === pathname) return
    shown.current = pathname
    main.current?.focus({ preventScroll: true })
  }, [pathname])
  return main
}

/** Lets the tab forget an answered checkout when its goods have left the basket, which happens a moment after the order. */
function useSettledCheckout() {
  const { data: basket } = useQuery({ ...basketQuery(useCurrency()), refetchInterval: () => (attempts.current()?.orderId ? 1_500 : false) })
  useEffect(() => {
    if (basket) attempts.settle(basket)
  }, [basket])
}
