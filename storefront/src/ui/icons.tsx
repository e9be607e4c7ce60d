import type { ReactNode } from 'react'

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg aria-hidden viewBox="0 0 24 24" width="1.35em" height="1.35em" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
      {children}
    </svg>
  )
}

export const SearchIcon = () => (
  <Icon>
    <circle cx="11" cy="11" r="6.5" />
    <path d="m16 16 4.5 4.5" />
  </Icon>
)

export const BasketIcon = () => (
  <Icon>
    <path d="M3 9.5h18l-1.8 8.7a2.2 2.2 0 0 1-2.2 1.8H7a2.2 2.2 0 0 1-2.2-1.8L3 9.5Z" />
    <path d="m8 9.5 3-6M16 9.5l-3-6M9.5 13v3.5M14.5 13v3.5" />
  </Icon>
)

export const PersonIcon = () => (
  <Icon>
    <circle cx="12" cy="8" r="4" />
    <path d="M4.5 20.5c.8-4 3.8-6 7.5-6s6.7 2 7.5 6" />
  </Icon>
)

export const TruckIcon = () => (
  <Icon>
    <path d="M2.5 6.500h11v10h-11zM13.5 10h4l3.5 3.500v3h-7.500z" />
    <circle cx="7" cy="17.5" r="2" />
    <circle cx="17" cy="17.5" r="2" />
  </Icon>
)

export const ShieldIcon = () => (
  <Icon>
    <path d="M12 3 5 5.800v5.400c0 4.5 2.9 7.8 7 9.8 4.1-2 7-5.3 7-9.800V5.800z" />
    <path d="m9 12 2.2 2.200L15.2 10" />
  </Icon>
)

export const PulseIcon = () => (
  <Icon>
    <path d="M2.5 12.500h4l2.5-7 4.5 13 2.8-6h5.2" />
  </Icon>
)

export const CrossIcon = () => (
  <Icon>
    <path d="m6 6 12 12M18 6 6 18" />
  </Icon>
)

export const ChevronIcon = ({ back = false }: { back?: boolean }) => (
  <Icon>
    <path d={back ? 'm15 5-7 7 7 7' : 'm9 5 7 7-7 7'} />
  </Icon>
)

export const BoxIcon = () => (
  <Icon>
    <path d="M12 3 4 7.200v9.600l8 4.200 8-4.200V7.200z" />
    <path d="m4.300 7.300 7.700 4 7.700-4M12 11.300V21M8 5.200l7.800 4" />
  </Icon>
)

export const PinIcon = () => (
  <Icon>
    <path d="M12 21c4.500-4.700 6.800-8.200 6.800-11.200A6.800 6.800 0 0 0 5.200 9.800C5.200 12.800 7.500 16.300 12 21Z" />
    <circle cx="12" cy="9.800" r="2.400" />
  </Icon>
)

export const DeviceIcon = () => (
  <Icon>
    <rect x="2.500" y="4.500" width="14" height="10" rx="1.500" />
    <path d="M6.500 18.500h6M9.500 14.500v4" />
    <rect x="16" y="9.500" width="5.500" height="10" rx="1.200" fill="var(--surface)" />
  </Icon>
)

export const SlidersIcon = () => (
  <Icon>
    <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
    <circle cx="15" cy="7" r="2" />
    <circle cx="9" cy="17" r="2" />
  </Icon>
)

export const HeartIcon = ({ full = false }: { full?: boolean }) => (
  <Icon>
    <path
      d="M12 20.200C6.500 16.400 3.500 13.100 3.500 9.300A4.500 4.500 0 0 1 12 7.200a4.500 4.500 0 0 1 8.500 2.100c0 3.800-3 7.100-8.500 10.900Z"
      fill={full ? 'currentColor' : 'none'}
    />
  </Icon>
)

export const EyeIcon = () => (
  <Icon>
    <path d="M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12Z" />
    <circle cx="12" cy="12" r="2.800" />
  </Icon>
)

export const KeyIcon = () => (
  <Icon>
    <circle cx="8" cy="15.500" r="4" />
    <path d="m11 12.700 8-8M15.500 8.200l2.700 2.700M18 5.700l1.800 1.800" />
  </Icon>
)

export const PhoneIcon = () => (
  <Icon>
    <rect x="7" y="2.500" width="10" height="19" rx="2.200" />
    <path d="M11 18.500h2" />
  </Icon>
)
