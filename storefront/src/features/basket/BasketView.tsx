import { useIsMutating, useQuery } from '@tanstack/react-query'
import { useCurrency } from '@/api/currency'
import type { BasketLine } from '@/api/types'
import { paths } from '@/paths'
import { Button, ButtonLink } from '@/ui/Button'
import { LineItem } from '@/ui/LineItem'
import { Message } from '@/ui/Message'
import { formatMoney } from '@/ui/money'
import { Notice } from '@/ui/Notice'
import { PriceLines } from '@/ui/PriceLines'
import { QuantityField } from '@/ui/QuantityField'
import { PageSkeleton } from '@/ui/Skeleton'
import { useToast } from '@/ui/Toast'
import styles from './BasketView.module.css'
import { CouponField } from './CouponField'
import { basketQuery, maxQuantity, useChangeBasket } from './queries'

/** The basket, to be changed or paid for. */
export function BasketView() {
  const { data: basket, error, refetch } = useQuery(basketQuery(useCurrency()))
  const change = useChangeBasket()
  const pending = useIsMutating({ mutationKey: ['basket'] }) > 0
  const toast = useToast()

  if (!basket && error) {
    return (
      <Message title="Your basket could not be loaded" action={<Button onClick={() => void refetch()}>Try again</Button>}>
        {error.message}
      </Message>
    )
  }
  if (!basket) return <PageSkeleton />
  if (basket.lines.length === 0) {
    return (
      <Message title="Your basket is empty" action={<ButtonLink to={paths.products()}>Find something good</ButtonLink>}>
        What you put in stays here for thirty days.
      </Message>
    )
  }

  function remove(line: BasketLine) {
    const { sku, quantity } = line
    change.mutate({ sku, quantity: 0 })
    toast({
      text: `Removed: ${nameOf(line)}`,
      action: (close) => (
        <button
          type="button"
          onClick={() => {
            change.mutate({ sku, quantity })
            close()
          }}
        >
          Undo
        </button>
      ),
    })
  }

  const complete = basket.lines.every(({ available }) => available)
  return (
    <div className={styles.basket}>
      <section aria-label="Items">
        {change.isError && <Notice tone="danger">{change.error.message}</Notice>}
        {!complete && <Notice tone="warn">Something in your basket cannot be ordered. Remove it, or choose another currency, to go on.</Notice>}
        <ul className={styles.lines}>
          {basket.lines.map((line) => (
            <LineItem
              key={line.sku}
              name={nameOf(line)}
              to={line.slug && paths.product(line.slug)}
              image={line.image}
              tint={line.slug}
              detail={<Price line={line} />}
              total={line.lineTotal}
              pending={pending}
            >
              {line.available && (
                <QuantityField label={`Quantity of ${line.name}`} value={line.quantity} max={maxQuantity} onChange={(quantity) => change.mutate({ sku: line.sku, quantity })} />
              )}
              <Button look="quiet" aria-label={`Remove ${nameOf(line)}`} onClick={() => remove(line)}>
                Remove
              </Button>
            </LineItem>
          ))}
        </ul>
      </section>
      <section aria-label="Summary" className={styles.summary}>
        <h2>Summary</h2>
        <PriceLines
          pending={pending}
          rows={[{ label: 'Subtotal', value: basket.subtotal, total: true }]}
        />
        <CouponField basket={basket} />
        <p className={styles.note}>Discount, shipping and tax are worked out at checkout, before you pay.</p>
        {complete && (
          <ButtonLink to={paths.checkout} size="large">
            Go to checkout
          </ButtonLink>
        )}
        <ButtonLink to={paths.products()} look="quiet">
          Continue shopping
        </ButtonLink>
      </section>
    </div>
  )
}

function Price({ line: { unitPrice, priceChanged } }: { line: BasketLine }) {
  if (!unitPrice) return 'Not available'
  return (
    <>
      {formatMoney(unitPrice)} each
      {priceChanged && (
        <strong className={styles.changed}>
          The price has changed from {formatMoney(priceChanged.from)} to {formatMoney(priceChanged.to)} since you put it in.
        </strong>
      )}
    </>
  )
}

/** What is no longer sold has lost its name. */
function nameOf({ name, sku }: BasketLine): string {
  return name || sku
}
