import { expect, test } from '@playwright/test'
import { fillBasket } from './shop'

const refusal = { status: 422, contentType: 'application/problem+json', json: { type: 'about:blank', title: 'Unprocessable', status: 422, code: 'quantity-too-large', detail: 'No more than 99 of one thing.' } }
const failure = { status: 500, contentType: 'application/problem+json', json: { type: 'about:blank', title: 'Error', status: 500, code: 'internal-error', detail: 'Something broke.' } }

test('an empty basket leads back to the shop', async ({ page }) => {
  await page.goto('/basket')
  await expect(page.getByRole('heading', { name: 'Your basket is empty' })).toBeVisible()
  await page.getByRole('link', { name: 'Find something good' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'All products' })).toBeVisible()
})

test('quantities change at once, are priced by the shop and survive a reload', async ({ page }) => {
  await fillBasket(page)
  await page.goto('/basket')
  const summary = page.getByRole('region', { name: 'Summary' })
  const before = await summary.innerText()
  await page.getByRole('button', { name: /^One more/ }).click()
  await expect(page.getByRole('textbox', { name: /^Quantity of/ })).toHaveValue('2')
  await expect(page.getByRole('link', { name: /^Basket/ })).toHaveAccessibleName('Basket, 2 items')
  await expect(summary).not.toHaveText(before)
  await page.getByRole('textbox', { name: /^Quantity of/ }).fill('5')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('link', { name: /^Basket/ })).toHaveAccessibleName('Basket, 5 items')
  await expect(summary.locator('[aria-busy=true]')).toHaveCount(0)
  await page.reload()
  await expect(page.getByRole('textbox', { name: /^Quantity of/ })).toHaveValue('5')
})

test('adding the same thing twice adds up', async ({ page }) => {
  await fillBasket(page)
  await fillBasket(page)
  await expect(page.getByRole('link', { name: /^Basket/ })).toHaveAccessibleName('Basket, 2 items')
})

test('a removed line can be brought back', async ({ page }) => {
  const name = await fillBasket(page)
  await page.goto('/basket')
  await page.getByRole('button', { name: /^Remove/ }).click()
  await expect(page.getByRole('heading', { name: 'Your basket is empty' })).toBeVisible()
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.getByRole('link', { name }).first()).toBeVisible()
  await page.reload()
  await expect(page.getByRole('link', { name }).first()).toBeVisible()
})

test('a refused change goes back and says why', async ({ page }) => {
  await fillBasket(page)
  await page.goto('/basket')
  await page.route('**/api/v1/basket/items/**', (route) => route.fulfill(refusal))
  await page.getByRole('button', { name: /^One more/ }).click()
  await expect(page.getByRole('alert')).toHaveText('No more than 99 of one thing.')
  await expect(page.getByRole('textbox', { name: /^Quantity of/ })).toHaveValue('1')
})

test('a basket that cannot be loaded can be asked for again', async ({ page }) => {
  await page.route('**/api/v1/basket?**', (route) => route.fulfill(failure))
  await page.goto('/basket')
  await expect(page.getByRole('heading', { name: 'Your basket could not be loaded' })).toBeVisible()
  await page.unroute('**/api/v1/basket?**')
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('heading', { name: 'Your basket is empty' })).toBeVisible()
})
