import { expect, test, type Page } from '@playwright/test'
import { captures, expectPaid, fillCheckout, openCheckout, orderId, payButton } from './shop'

/** Notes the key of every checkout that leaves the page. */
function watchKeys(page: Page): string[] {
  const keys: string[] = []
  page.on('request', (request) => {
    if (request.url().endsWith('/api/v1/checkout')) keys.push(request.headers()['idempotency-key'] ?? '')
  })
  return keys
}

test('a double click gives one order', async ({ page, request }) => {
  const keys = watchKeys(page)
  await openCheckout(page)
  await payButton(page).dblclick()
  const id = await orderId(page)
  await expectPaid(page)
  expect(new Set(keys).size).toBe(1)
  expect(await captures(request, id)).toBe(1)
})

test('an answer that is lost is asked for again with the same key', async ({ page, request }) => {
  const keys = watchKeys(page)
  await openCheckout(page)
  let lost = 0
  await page.route('**/api/v1/checkout', async (route) => {
    await route.fetch()
    lost += 1
    await (lost === 1 ? route.abort('connectionreset') : route.fallback())
  })
  await payButton(page).click()
  const id = await orderId(page)
  await expectPaid(page)
  expect(keys.length).toBeGreaterThan(1)
  expect(new Set(keys).size).toBe(1)
  expect(await captures(request, id)).toBe(1)
})

test('a reload before the answer leads to the same order', async ({ page, request }) => {
  const keys = watchKeys(page)
  await openCheckout(page)
  const sent: string[] = []
  await page.route('**/api/v1/checkout', async (route) => {
    const answer = (await (await route.fetch()).json()) as { order: { id: string } }
    sent.push(answer.order.id)
    await route.abort('connectionreset')
  })
  await payButton(page).click()
  await expect.poll(() => sent.length).toBeGreaterThan(0)
  await page.unroute('**/api/v1/checkout')
  await page.reload()
  await page.getByRole('button', { name: 'Complete this order' }).click()
  expect(await orderId(page)).toBe(sent[0])
  await expectPaid(page)
  expect(new Set(keys).size).toBe(1)
  expect(await captures(request, sent[0] ?? '')).toBe(1)
})

test('two tabs that pay at once give one order', async ({ page, context, request }) => {
  const keys = watchKeys(page)
  const email = await openCheckout(page)
  const other = await context.newPage()
  const otherKeys = watchKeys(other)
  await other.goto('/checkout')
  await fillCheckout(other, { email })
  await Promise.all([payButton(page).click(), payButton(other).click()])
  // The slower tab gets the same order or, once that has emptied the basket, hears that there is nothing left to pay for.
  for (const tab of [page, other]) {
    await expect(tab.getByRole('heading', { level: 1, name: /^Paid/ }).or(tab.getByText('Your basket is empty.'))).toBeVisible()
  }
  const mine = (await (await page.request.get('/api/v1/orders')).json()) as { items: { id: string }[] }
  expect(mine.items).toHaveLength(1)
  const id = mine.items[0]?.id ?? ''
  expect([page.url(), other.url()].some((url) => url.includes(id))).toBe(true)
  expect(keys).not.toEqual(otherKeys)
  expect(await captures(request, id)).toBe(1)
})

test('back from the order does not offer to pay again', async ({ page }) => {
  const keys = watchKeys(page)
  await openCheckout(page)
  await payButton(page).click()
  await orderId(page)
  await expectPaid(page)
  await page.goBack()
  await expect(page).not.toHaveURL(/\/checkout/)
  await page.goto('/checkout')
  await expect(page.getByText('Your basket is empty.')).toBeVisible()
  await expect(payButton(page)).toHaveCount(0)
  expect(keys).toHaveLength(1)
})

test('a reload of the order page shows the same order', async ({ page }) => {
  await openCheckout(page)
  await payButton(page).click()
  const id = await orderId(page)
  await page.reload()
  expect(await orderId(page)).toBe(id)
  await expectPaid(page)
})
