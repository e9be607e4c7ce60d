import { expect, test, type Locator, type Page } from '@playwright/test'
import { expectPaid, fillBasket, fillCheckout, newEmail, openBackOffice, payButton } from './shop'

/** A coupon that every shop begins with: 10 % off. */
const code = 'WELCOME10'

const coupon = (page: Page): Locator => page.getByRole('group', { name: 'Coupon', exact: true })

async function apply(page: Page, typed: string) {
  await page.getByLabel('Coupon code').fill(typed)
  await page.getByRole('button', { name: 'Apply' }).click()
}

test('a coupon from the basket is a discount at checkout and on the order', async ({ page }) => {
  await fillBasket(page)
  await page.goto('/basket')
  await apply(page, code.toLowerCase())
  await expect(coupon(page)).toContainText(code)
  await page.getByRole('link', { name: 'Go to checkout' }).click()
  await fillCheckout(page, { email: newEmail() })
  const summary = page.getByRole('region', { name: 'Order summary' })
  await expect(summary).toContainText(`Discount (${code})`)
  await expect(summary).toContainText(/-€\d/)
  await payButton(page).click()
  await expectPaid(page)
  await expect(page.getByText(`Discount (${code})`)).toBeVisible()
})

test('a coupon taken away at checkout gives the full price again', async ({ page }) => {
  await fillBasket(page)
  await page.goto('/checkout')
  await fillCheckout(page, { email: newEmail() })
  const full = await payButton(page).innerText()
  await apply(page, code)
  await expect(payButton(page)).not.toHaveText(full)
  await page.reload()
  await expect(coupon(page)).toContainText(code)
  await expect(payButton(page)).not.toHaveText(full)
  await page.getByRole('button', { name: `Remove coupon ${code}` }).click()
  await expect(payButton(page)).toHaveText(full)
  await expect(page.getByLabel('Coupon code')).toBeVisible()
})

test('a code that nobody made is refused beside its field, by Enter too', async ({ page }) => {
  await fillBasket(page)
  await page.goto('/checkout')
  await page.getByLabel('Coupon code').fill('NO-SUCH-CODE')
  await page.keyboard.press('Enter')
  await expect(page.getByLabel('Coupon code')).toHaveAccessibleDescription(/do not know this code/)
  // Enter belonged to the coupon: the checkout did not try to place an order.
  await expect(page.getByText('Enter your city.')).toHaveCount(0)
})

test('a coupon that the shop ends is never charged around: the customer hears of it', async ({ page, browser }) => {
  const mine = `E2E-${crypto.randomUUID().slice(0, 8).toUpperCase()}`
  const staff = await openBackOffice(browser)
  await staff.getByRole('navigation', { name: 'Back office' }).getByRole('link', { name: 'Coupons' }).click()
  await staff.getByRole('link', { name: 'New coupon' }).click()
  await staff.getByLabel('Code').fill(mine)
  await staff.getByLabel('Description').fill('A quarter off')
  await staff.getByLabel('Percentage').fill('250')
  await staff.getByRole('button', { name: 'Create coupon' }).click()
  await expect(staff.getByLabel('Percentage')).toHaveAccessibleDescription(/up to 100/)
  await staff.getByLabel('Percentage').fill('25')
  await staff.getByRole('button', { name: 'Create coupon' }).click()
  await expect(staff.getByRole('status').filter({ hasText: `${mine} can be used.` })).toBeVisible()

  await fillBasket(page)
  await page.goto('/checkout')
  await fillCheckout(page, { email: newEmail() })
  const full = await payButton(page).innerText()
  await apply(page, mine)
  await expect(coupon(page)).toContainText('A quarter off')
  await expect(payButton(page)).not.toHaveText(full)

  await staff.getByRole('link', { name: mine }).click()
  await staff.getByLabel('Description').fill('A quarter off, no more')
  await staff.getByLabel('State').selectOption('Off')
  await staff.getByRole('button', { name: 'Save coupon' }).click()
  await expect(staff.getByRole('row', { name: mine })).toContainText('Off')

  await payButton(page).click()
  await expect(page.getByRole('alert').filter({ hasText: 'The order was not placed' })).toBeVisible()
  await page.getByRole('button', { name: `Remove coupon ${mine}` }).click()
  await expect(payButton(page)).toHaveText(full)
  await payButton(page).click()
  await expectPaid(page)
  await staff.context().close()
})
