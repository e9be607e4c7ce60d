import { NavLink } from 'react-router'
import type { User } from '@/api/types'
import { paths } from '@/paths'
import { Button } from '@/ui/Button'
import { BoxIcon, DeviceIcon, EyeIcon, HeartIcon, PersonIcon, PinIcon, ShieldIcon, SlidersIcon } from '@/ui/icons'
import styles from './AccountNav.module.css'
import { useSignOut } from './queries'

const pages = [
  { name: 'Orders', path: paths.orders, icon: <BoxIcon /> },
  { name: 'Profile', path: paths.account.profile, icon: <PersonIcon /> },
  { name: 'Addresses', path: paths.account.addresses, icon: <PinIcon /> },
  { name: 'Wishlist', path: paths.account.wishlist, icon: <HeartIcon /> },
  { name: 'Security', path: paths.account.security, icon: <ShieldIcon /> },
  { name: 'Devices', path: paths.account.devices, icon: <DeviceIcon /> },
  { name: 'Preferences', path: paths.account.preferences, icon: <SlidersIcon /> },
  { name: 'Privacy', path: paths.account.privacy, icon: <EyeIcon /> },
]

/** Who is signed in, and the pages that are theirs: a column, or on a narrow screen a strip. */
export function AccountNav({ user, onSignedOut }: { user: User; onSignedOut: () => void }) {
  const signOut = useSignOut()
  return (
    <div className={styles.side}>
      <div className={styles.who}>
        <span aria-hidden className={styles.initials}>
          {initials(user.name)}
        </span>
        <p>
          <strong>{user.name}</strong>
          <span>{user.email}</span>
        </p>
      </div>
      <nav aria-label="Account" ref={showCurrent} className={styles.nav}>
        <ul>
          {pages.map(({ name, path, icon }) => (
            <li key={path}>
              <NavLink to={path} end>
                {icon}
                {name}
              </NavLink>
            </li>
          ))}
        </ul>
      </nav>
      <Button look="quiet" className={styles.out} busy={signOut.isPending} onClick={() => signOut.mutate(undefined, { onSuccess: onSignedOut })}>
        Sign out
      </Button>
    </div>
  )
}

/** Scrolls the strip to the page that is open; it is made anew with every page. */
function showCurrent(strip: HTMLElement | null) {
  const current = strip?.querySelector<HTMLElement>('[aria-current]')
  if (strip && current) strip.scrollLeft = current.offsetLeft - (strip.clientWidth - current.offsetWidth) / 2
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean)
  return [words.at(0), words.length > 1 ? words.at(-1) : ''].map((word) => [...(word ?? '')][0] ?? '').join('')
}
