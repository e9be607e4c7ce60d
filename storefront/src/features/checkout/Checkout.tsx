import { useQuery } from '@tanstack/react-query'
import { useState, type ReactNode, type SyntheticEvent } from 'react'
import { Link, Navigate, useNavigate } from 'react-router'
import { ProblemError } from '@/api/client'
import type { Basket, Order, PaymentMethod, Quote, SavedAddress, ShippingMethodId, User } from '@/api/types'
import { paths } from '@/paths'
import { AddressFields, emptyAddress, readAddress, type AddressValue } from '@/ui/AddressFields'
import { Button, ButtonLink } from '@/ui/Button'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { LineItem } from '@/ui/LineItem'
import { Message } from '@/ui/Message'
import { Money } from '@/ui/Money'
import { formatMoney, negative } from '@/ui/money'
import { Notice } from '@/ui/Notice'
import { PriceLines } from '@/ui/PriceLines'
import { contents } from './attempt'
import styles from './Checkout.module.css'
import { forgetDraft, readDraft, saveDraft } from './draft'
import { chosenPayment, paymentChoices } from './payment'
import { attempts, quoteQuery, usePlaceOrder } from './queries'

interface Props {
  basket: Basket
  /** null for a guest, who gives an e-mail address. */
  user: User | null
  addresses: SavedAddress[]
  /** What can be paid with, the usual one first. */
  offered: PaymentMethod[]
  /** The basket's coupon, or the place for one. */
  coupon: ReactNode
}

/** The whole checkout on one page. */
export function Checkout({ basket, user, addresses, offered, coupon }: Props) {
  const navigate = useNavigate()
  const [attempt] = useState(() => attempts.current())
  const [draft, setDraft] = useState(readDraft)
  const [filled, setFilled] = useState(0)
  const place = usePlaceOrder()
  const address = draft['address.country'] ? readAddress(draft, 'address.') : (addresses[0] ?? { ...emptyAddress, name: user?.name ?? '' })
  const shipping: ShippingMethodId = draft.shippingMethod === 'express' ? 'express' : 'standard'
  const quote = useQuery(quoteQuery(basket, address, shipping))
  const choices = paymentChoices(offered)
  const payment = chosenPayment(choices, draft.method)

  // Someone came back to a checkout that already has its order.
  if (attempt?.orderId && attempt.basket === contents(basket)) return <Navigate replace to={paths.order(attempt.orderId)} />

  function follow(order: Order) {
    forgetDraft()
    // In place of the checkout, so that "back" leads to the basket and not to a second order.
    void navigate(paths.order(order.id), { replace: true })
  }

  const lastSent = attempt && !attempt.orderId ? attempt.bodies.at(-1) : undefined
  if (lastSent && attempt && !place.isError) {
    return (
      <Message
        title="Your order may already have reached us"
        action={
          <Button busy={place.isPending} onClick={() => place.mutate({ basket: attempt.basket, body: lastSent }, { onSuccess: follow })}>
            Complete this order
          </Button>
        }
      >
        The connection broke before our answer came. Complete the order to see it; it will not be placed twice.
      </Message>
    )
  }
  if (basket.lines.length === 0) {
    return (
      <Message title="There is nothing to pay for" action={<ButtonLink to={paths.products()}>Find something good</ButtonLink>}>
        Your basket is empty.
      </Message>
    )
  }

  function submit(values: Record<string, string>) {
    const chosen = chosenPayment(choices, values.method)
    if (place.isPending || !chosen) return
    place.mutate(
      {
        basket: contents(basket),
        body: {
          address: readAddress(values, 'address.'),
          shippingMethod: shipping,
          payment: chosen.payment,
          currency: basket.currency,
          ...(user ? {} : { email: values.email ?? '' }),
        },
      },
      { onSuccess: follow },
    )
  }

  function fill(saved: AddressValue) {
    const values = { ...draft, ...Object.fromEntries(Object.entries({ line2: '', region: '', ...saved }).map(([field, value]) => [`address.${field}`, value])) }
    saveDraft(values)
    setDraft(values)
    setFilled(filled + 1)
  }

  const problem = place.error instanceof ProblemError ? place.error : null
  return (
    <Form
      className={styles.checkout}
      refused={problem?.messages}
      onSubmit={submit}
      onChange={(event) => {
        const values = remember(event)
        // Typed letters wait for the field to be left; a choice counts at once.
        if (event.target instanceof HTMLInputElement && event.target.type !== 'radio') return
        setDraft(values)
      }}
      onBlur={(event) => setDraft(remember(event))}
    >
      <div className={styles.steps}>
        <Contact user={user} email={draft.email} />
        <Step title="Delivery address">
          {addresses.length > 1 && <SavedAddresses addresses={addresses} onChoose={fill} />}
          <AddressFields key={filled} prefix="address." value={address} />
        </Step>
        <Shipping quote={quote.data} chosen={shipping} />
        <Payment choices={choices} chosen={payment?.value} />
      </div>
      <section aria-label="Order summary" className={styles.summary}>
        <h2>Your order</h2>
        <Summary basket={basket} quote={quote.data} pending={quote.isFetching}>
          {coupon}
        </Summary>
        {basket.lines.some(({ priceChanged }) => priceChanged) && <Notice tone="warn">Prices have changed since you filled your basket. These are the present ones.</Notice>}
        {quote.isError && <Notice tone="warn">{quote.error.message}</Notice>}
        {place.isError && (
          <Notice tone="danger" title="The order was not placed">
            {problem && problem.fields.length > 0 ? 'Some fields need another look.' : sentence(place.error)}
          </Notice>
        )}
        <Button type="submit" size="large" busy={place.isPending}>
          {quote.data ? <>Pay {formatMoney(quote.data.total)}</> : 'Pay'}
        </Button>
        <p className={styles.note}>This shop runs in test mode: no money moves.</p>
      </section>
    </Form>
  )
}

/** Keeps what the form holds, and answers with it. */
function remember(event: SyntheticEvent<HTMLFormElement>) {
  const values = Object.fromEntries([...new FormData(event.currentTarget)].map(([field, value]) => [field, String(value)]))
  saveDraft(values)
  return values
}

function Step({ title, children }: { title: string; children: ReactNode }) {
  return (
    <fieldset className={styles.step}>
      <legend>{title}</legend>
      {children}
    </fieldset>
  )
}

function Contact({ user, email }: { user: User | null; email: string | undefined }) {
  if (user) {
    return (
      <Step title="Contact">
        <p>
          Signed in as <strong>{user.email}</strong>
        </p>
      </Step>
    )
  }
  return (
    <Step title="Contact">
      <Field label="E-mail" name="email" type="email" autoComplete="email" required maxLength={254} defaultValue={email} hint="For the confirmation of your order." />
      <p className={styles.note}>
        Have an account? <Link to={paths.signIn(paths.checkout)}>Sign in</Link>
      </p>
    </Step>
  )
}

function SavedAddresses({ addresses, onChoose }: { addresses: SavedAddress[]; onChoose: (address: SavedAddress) => void }) {
  return (
    <div role="group" aria-label="Saved addresses" className={styles.saved}>
      {addresses.map((address) => (
        <Button key={address.id} look="secondary" onClick={() => onChoose(address)}>
          {address.line1}, {address.city}
        </Button>
      ))}
    </div>
  )
}

function sentence(error: unknown): string {
  return error instanceof ProblemError ? error.message : 'We did not hear back. Press the button again: the order will not be placed twice.'
}

const usualMethods = [
  { id: 'standard', name: 'Standard', price: undefined, estimate: undefined },
  { id: 'express', name: 'Express', price: undefined, estimate: undefined },
] as const

function Shipping({ quote, chosen }: { quote: Quote | undefined; chosen: ShippingMethodId }) {
  return (
    <Step title="Shipping">
      <div className={styles.choices}>
        {(quote?.shippingMethods ?? usualMethods).map(({ id, name, price, estimate }) => (
          <label key={id} className={styles.choice}>
            <input type="radio" name="shippingMethod" value={id} defaultChecked={id === chosen} />
            <span>
              <strong>{name}</strong>
              {estimate && <small>{estimate}</small>}
            </span>
            <span>{price && (price.amount === 0 ? 'Free' : <Money value={price} />)}</span>
          </label>
        ))}
      </div>
    </Step>
  )
}

function Payment({ choices, chosen }: { choices: ReturnType<typeof paymentChoices>; chosen: string | undefined }) {
  return (
    <Step title="Payment">
      <p className={styles.note}>Test cards of the payment sandbox. Real card details are never asked for here.</p>
      <div className={styles.choices}>
        {choices.map(({ value, name, number, effect, available }) => (
          <label key={value} className={styles.choice}>
            <input type="radio" name="method" value={value} defaultChecked={value === chosen} disabled={!available} />
            <span>
              <strong>{name}</strong>
              <small>{available ? effect : 'Not possible at the moment. Try again in a few minutes.'}</small>
            </span>
            {number && <span className={styles.number}>{number}</span>}
          </label>
        ))}
      </div>
    </Step>
  )
}

function Summary({ basket, quote, pending, children }: { basket: Basket; quote: Quote | undefined; pending: boolean; children: ReactNode }) {
  const lines = quote?.lines ?? basket.lines
  return (
    <>
      <ul>
        {lines.map(({ sku, slug, name, image, quantity, unitPrice, lineTotal }) => (
          <LineItem key={sku} name={name} image={image} tint={slug} detail={unitPrice ? `${quantity} × ${formatMoney(unitPrice)}` : 'Not available'} total={lineTotal} />
        ))}
      </ul>
      {children}
      <PriceLines
        pending={pending}
        rows={[
          { label: 'Subtotal', value: quote?.subtotal ?? basket.subtotal },
          ...(quote && quote.discount.amount !== 0 ? [{ label: quote.coupon ? `Discount (${quote.coupon})` : 'Discount', value: negative(quote.discount) }] : []),
          { label: 'Shipping', value: quote?.shipping, instead: '–' },
          { label: 'Tax', value: quote?.tax, instead: '–' },
          { label: 'Total', value: quote?.total, instead: '–', total: true },
        ]}
      />
    </>
  )
}
