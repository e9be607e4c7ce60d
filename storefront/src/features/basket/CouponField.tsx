import { useId, useState } from 'react'
import type { Basket } from '@/api/types'
import { Button } from '@/ui/Button'
import { useToast } from '@/ui/Toast'
import styles from './CouponField.module.css'
import { couponProblem, couponRefusal } from './coupon'
import { useCoupon } from './queries'

/** The coupon of the basket, or the place to type one. It may stand inside another form, so it is none itself. */
export function CouponField({ basket: { coupon } }: { basket: Basket }) {
  const id = useId()
  const [typed, setTyped] = useState('')
  const change = useCoupon()
  const toast = useToast()
  const code = typed.trim()

  function apply() {
    if (!code || change.isPending) return
    change.mutate(code, { onSuccess: () => setTyped('') })
  }

  function remove() {
    change.mutate(null, { onSuccess: () => toast({ text: 'Coupon removed' }) })
  }

  const error = change.isError ? couponRefusal(change.error) : undefined
  if (coupon) {
    return (
      <div role="group" aria-label="Coupon" className={styles.coupon}>
        <div className={styles.applied} data-valid={coupon.valid}>
          <div role="status">
            <p className={styles.code}>{coupon.code}</p>
            <p>{coupon.valid ? coupon.description : couponProblem(coupon.problem)}</p>
          </div>
          <Button look="quiet" aria-label={`Remove coupon ${coupon.code}`} busy={change.isPending} onClick={remove}>
            Remove
          </Button>
        </div>
        {error && (
          <p role="alert" className={styles.error}>
            {error}
          </p>
        )}
      </div>
    )
  }
  return (
    <div role="group" aria-label="Coupon" className={styles.coupon}>
      <label htmlFor={id} className={styles.label}>
        Coupon code
      </label>
      <div className={styles.row}>
        <input
          id={id}
          type="text"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          maxLength={40}
          value={typed}
          aria-invalid={error ? true : undefined}
          aria-describedby={error ? `${id}-error` : undefined}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter') return
            // The checkout around it would take Enter as its own.
            event.preventDefault()
            apply()
          }}
        />
        <Button look="secondary" busy={change.isPending} onClick={apply}>
          Apply
        </Button>
      </div>
      {error && (
        <p id={`${id}-error`} role="alert" className={styles.error}>
          {error}
        </p>
      )}
    </div>
  )
}
