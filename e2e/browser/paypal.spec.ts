import { expect, test } from '@playwright/test'
import { captures, expectPaid, openCheckout, orderId, payButton } from './shop'

test('PayPal: approved there, paid here, with one order and one capture', async ({ page, request }) => {
  await openCheckout(page, { card: /PayPal/ })
  await payButton(page).click()
  const id = await orderId(page)
  await page.getByRole('link', { name: 'Approve at PayPal' }).click()
  await page.getByRole('button', { name: 'Approve' }).click()
  await expectPaid(page)
  expect(await orderId(page)).toBe(id)
  expect(await captures(request, id)).toBe(1)
})

test("PayPal's secrets do not stay in the address", async ({ page }) => {
  await openCheckout(page, { card: /PayPal/ })
  await payButton(page).click()
  await orderId(page)
  await page.getByRole('link', { name: 'Approve at PayPal' }).click()
  await page.getByRole('button', { name: 'Approve' }).click()
  await expect(page).toHaveURL(/\/orders\/[\w-]+\?payment=approved$/)
})

test('PayPal: who turns back there can approve after all', async ({ page, request }) => {
  await openCheckout(page, { card: /PayPal/ })
  await payButton(page).click()
  const id = await orderId(page)
  await page.getByRole('link', { name: 'Approve at PayPal' }).click()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'The payment was not approved' })).toBeVisible()
  expect(await captures(request, id)).toBe(0)
  await page.getByRole('link', { name: 'Approve at PayPal' }).click()
  await page.getByRole('button', { name: 'Approve' }).click()
  await expectPaid(page)
  expect(await captures(request, id)).toBe(1)
})

test('PayPal: who turns back there can cancel the order', async ({ page, request }) => {
  await openCheckout(page, { card: /PayPal/ })
  await payButton(page).click()
  const id = await orderId(page)
  await page.getByRole('link', { name: 'Approve at PayPal' }).click()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('button', { name: 'Cancel order' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Yes, cancel it' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Cancelled' })).toBeVisible()
  expect(await captures(request, id)).toBe(0)
})

test('a page that is open while PayPal is asked in another tab turns to paid by itself', async ({ page, context }) => {
  await openCheckout(page, { card: /PayPal/ })
  await payButton(page).click()
  await orderId(page)
  const link = page.getByRole('link', { name: 'Approve at PayPal' })
  const other = await context.newPage()
  await other.goto((await link.getAttribute('href')) ?? '')
  await other.getByRole('button', { name: 'Approve' }).click()
  await other.close()
  await expectPaid(page)
})
