import { expect, test } from '@playwright/test'
import { captures, expectPaid, fillBasket, fillCheckout, mailed, newEmail, openCheckout, orderId, payButton, productCards, signUp } from './shop'

test('a newcomer registers, searches, buys and gets the mail', async ({ page, request }) => {
  const email = await signUp(page)

  await page.getByRole('searchbox', { name: 'Search products' }).or(page.getByRole('combobox', { name: 'Search products' })).fill('teapot')
  await page.getByRole('button', { name: 'Search' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'teapot' })).toBeVisible()
  await productCards(page).first().getByRole('link').click()

  await page.getByRole('button', { name: 'Add to basket' }).click()
  await page.getByRole('link', { name: 'View basket' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Your basket' })).toBeVisible()
  await page.getByRole('link', { name: 'Go to checkout' }).click()

  await expect(page.getByText(`Signed in as ${email}`)).toBeVisible()
  await fillCheckout(page)
  await payButton(page).click()

  const id = await orderId(page)
  await expectPaid(page)
  expect(await captures(request, id)).toBe(1)
  await expect(page.getByRole('link', { name: /^Basket/ })).toHaveAccessibleName('Basket, 0 items')
  const number = /Order (\S+)/.exec(await page.title())?.[1] ?? ''
  await mailed(request, email, new RegExp(number))

  await page.goto('/orders')
  await page.getByRole('link', { name: `Order ${number}` }).click()
  await expectPaid(page)
})

test('the order page turns to paid by itself', async ({ page }) => {
  await openCheckout(page)
  await payButton(page).click()
  await orderId(page)
  await expectPaid(page)
  const steps = page.getByRole('list', { name: 'Progress' }).getByRole('listitem')
  await expect(steps.filter({ hasText: 'Paid' })).toHaveAttribute('aria-current', 'step')
  await expect(page.getByText('Live', { exact: true })).toBeVisible()
})

test('a guest buys with an e-mail address and express shipping', async ({ page, request }) => {
  const email = await openCheckout(page)
  const standard = await payButton(page).innerText()
  await page.getByRole('radio', { name: /Express/ }).check()
  await expect(payButton(page)).not.toHaveText(standard)
  await payButton(page).click()
  await expectPaid(page)
  await expect(page.getByText('Shipping (express)')).toBeVisible()
  await mailed(request, email, /\/orders\/|paid|order/i)
})

test('a declined card says why, and the items go back into the basket for another try', async ({ page, request }) => {
  await openCheckout(page, { card: /declined/ })
  await payButton(page).click()
  const id = await orderId(page)
  await expect(page.getByRole('heading', { level: 1, name: 'The payment did not go through' })).toBeVisible()
  await expect(page.getByRole('status').filter({ hasText: 'declined' })).toBeVisible()
  expect(await captures(request, id)).toBe(0)

  await page.getByRole('button', { name: 'Put the items back in the basket' }).click()
  await page.getByRole('link', { name: 'Go to checkout' }).click()
  await fillCheckout(page, { email: newEmail(), card: /approved/ })
  await payButton(page).click()
  await expectPaid(page)
  expect(await orderId(page)).not.toBe(id)
})

test('a card with 3-D Secure goes to the bank and back', async ({ page, request }) => {
  await openCheckout(page, { card: /3-D Secure/ })
  await payButton(page).click()
  const id = await orderId(page)
  await page.getByRole('link', { name: 'Confirm with your bank' }).click()
  await page.getByRole('button', { name: /^(Complete|Approve)/ }).click()
  expect(await orderId(page)).toBe(id)
  await expectPaid(page)
  expect(await captures(request, id)).toBe(1)
})

test('a bank that is not answered right fails the payment', async ({ page, request }) => {
  await openCheckout(page, { card: /3-D Secure/ })
  await payButton(page).click()
  const id = await orderId(page)
  await page.getByRole('link', { name: 'Confirm with your bank' }).click()
  await page.getByRole('button', { name: /^(Fail|Refuse)/ }).click()
  expect(await orderId(page)).toBe(id)
  await expect(page.getByRole('heading', { level: 1, name: 'The payment did not go through' })).toBeVisible()
  expect(await captures(request, id)).toBe(0)
})

test('an order can be cancelled, once the customer says it twice', async ({ page }) => {
  await openCheckout(page)
  await payButton(page).click()
  await expectPaid(page)
  await page.getByRole('button', { name: 'Cancel order' }).click()
  await page.getByRole('button', { name: 'Yes, cancel it' }).click()
  await expect(page.getByRole('heading', { level: 1, name: /^(Cancelled|Refunded)/ })).toBeVisible()
})

test('what was typed survives a look at the basket', async ({ page }) => {
  await openCheckout(page, { email: 'ada@example.com' })
  await page.getByRole('link', { name: /^Basket/ }).click()
  await page.getByRole('link', { name: 'Go to checkout' }).click()
  await expect(page.getByLabel('E-mail')).toHaveValue('ada@example.com')
  await expect(page.getByLabel('City')).toHaveValue('Berlin')
})

test('a checkout with gaps names them and goes to the first', async ({ page }) => {
  await fillBasket(page)
  await page.goto('/checkout')
  await page.getByLabel('E-mail').fill('not an address')
  await payButton(page).click()
  await expect(page.getByLabel('E-mail')).toBeFocused()
  await expect(page.getByLabel('E-mail')).toHaveAccessibleDescription(/name@example\.com/)
  await expect(page.getByLabel('Street and number')).toHaveAccessibleDescription('Enter your street and number.')
})

test('another shopper does not see the order', async ({ page, browser }) => {
  await openCheckout(page)
  await payButton(page).click()
  const id = await orderId(page)
  const stranger = await browser.newPage()
  await signUp(stranger)
  await stranger.goto(`/orders/${id}`)
  await expect(stranger.getByRole('heading', { level: 1, name: 'We looked everywhere' })).toBeVisible()
  await stranger.close()
})
