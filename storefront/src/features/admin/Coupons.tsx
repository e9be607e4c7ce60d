import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import type { Coupon } from '@/api/types'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { formatMoney, plainDecimal } from '@/ui/money'
import { Table } from '@/ui/Table'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import styles from './admin.module.css'
import { readCursor } from './filter'
import { List, Pages } from './List'
import { couponsQuery, useDeactivateCoupon } from './queries'

/** All coupons. */
export function Coupons() {
  const [search] = useSearchParams()
  const query = useQuery(couponsQuery(readCursor(search)))
  const [stopping, setStopping] = useState<string | null>(null)
  return (
    <>
      <List query={query} empty="No coupons yet" isEmpty={({ items }) => items.length === 0}>
        {({ items }, dim) => (
          <Table
            caption="Coupons"
            rows={items}
            rowKey={({ code }) => code}
            dim={dim}
            columns={[
              {
                title: 'Code',
                cell: ({ code, description }) => (
                  <>
                    <Link to={paths.admin.coupon(code)}>{code}</Link>
                    {description && (
                      <>
                        <br />
                        <span className={styles.muted}>{description}</span>
                      </>
                    )}
                  </>
                ),
              },
              { title: 'Gives', cell: gives },
              { title: 'Valid', cell: period },
              { title: 'Used', end: true, cell: ({ uses, maxUses }) => (maxUses ? `${uses} of ${maxUses}` : uses) },
              { title: 'State', cell: ({ active }) => <span><Badge tone={active ? 'good' : 'busy'}>{active ? 'Active' : 'Off'}</Badge></span> },
              {
                title: 'Action',
                cell: ({ code, active }) =>
                  active && (
                    <div>
                      <Button look="quiet" aria-label={`Deactivate ${code}`} onClick={() => setStopping(code)}>
                        Deactivate
                      </Button>
                    </div>
                  ),
              },
            ]}
          />
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
      {stopping && <DeactivateDialog code={stopping} onClose={() => setStopping(null)} />}
    </>
  )
}

function DeactivateDialog({ code, onClose }: { code: string; onClose: () => void }) {
  const { mutate, isPending, error } = useDeactivateCoupon()
  const toast = useToast()

  function submit() {
    mutate(code, {
      onSuccess: () => {
        toast({ text: `${code} is off.` })
        onClose()
      },
    })
  }

  return (
    <ActionDialog title={`Deactivate ${code}?`} action="Deactivate" busy={isPending} error={error} onClose={onClose} onSubmit={submit}>
      <p>Nobody can use it any more, even with it in the basket already. Orders that have it keep their discount.</p>
    </ActionDialog>
  )
}

function gives({ kind, percentBasisPoints = 0, amounts }: Coupon): string {
  if (kind === 'free-shipping') return 'Free shipping'
  if (kind === 'percent') return `${plainDecimal(percentBasisPoints, 2).replace(/\.?0+$/, '')} %`
  return Object.entries(amounts ?? {})
    .map(([currency, amount]) => formatMoney({ amount, currency }))
    .join(', ')
}

function period({ validFrom, validUntil }: Coupon): string {
  if (validFrom && validUntil) return `${formatMoment(validFrom)} to ${formatMoment(validUntil)}`
  if (validFrom) return `From ${formatMoment(validFrom)}`
  return validUntil ? `Until ${formatMoment(validUntil)}` : 'Always'
}
