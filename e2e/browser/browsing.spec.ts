import { expect, test } from '@playwright/test'
import { productCards } from './shop'

test('the home page leads to a category', async ({ page }) => {
  await page.goto('/')
  const tile = page.getByRole('region', { name: 'Shop by category' }).getByRole('link').first()
  const name = await tile.innerText()
  await tile.click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  await expect(productCards(page).first()).toBeVisible()
})

test('what is found, its order and its pages stand in the URL', async ({ page }) => {
  await page.goto('/products')
  await page.getByLabel('Sort by').selectOption('Price, low to high')
  await expect(page).toHaveURL(/sort=price/)
  await expect(productCards(page)).toHaveCount(24)
  await page.getByRole('button', { name: 'Load more' }).click()
  await expect(productCards(page)).toHaveCount(48)
  await expect(page).toHaveURL(/pages=2/)
  const names = await productCards(page).getByRole('heading').allInnerTexts()
  await page.reload()
  await expect(productCards(page)).toHaveCount(48)
  expect(await productCards(page).getByRole('heading').allInnerTexts()).toEqual(names)

  await page.getByRole('navigation', { name: 'Categories' }).getByRole('link', { name: 'Kitchen' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Kitchen' })).toBeVisible()
  await expect(page).toHaveURL(/sort=price/)
  await expect(page).not.toHaveURL(/pages=/)
  await page.goBack()
  await expect(page.getByRole('heading', { level: 1, name: 'All products' })).toBeVisible()
})

test('prices follow the chosen currency, on every page', async ({ page }) => {
  await page.goto('/products')
  await expect(productCards(page).first()).toContainText('€')
  await page.getByLabel('Currency').selectOption('JPY')
  await expect(productCards(page).first()).toContainText(/¥\s?[\d,]+(?![.\d])/)
  await productCards(page).first().getByRole('link').click()
  await expect(page.getByRole('main').getByRole('article').first()).toContainText('¥')
  await page.reload()
  await expect(page.getByLabel('Currency')).toHaveValue('JPY')
})

test('the chosen variant has its price and stands in the URL', async ({ page }) => {
  await page.goto('/products')
  await productCards(page).filter({ hasText: 'from' }).first().getByRole('link').click()
  const last = page.getByRole('radio').last()
  await last.click()
  await expect(last).toBeChecked()
  await expect(page).toHaveURL(/variant=/)
  await page.reload()
  await expect(page.getByRole('radio').last()).toBeChecked()
})

test('an unknown product is not found', async ({ page }) => {
  await page.goto('/products/a-thing-that-never-was')
  await expect(page.getByRole('heading', { level: 1, name: 'We looked everywhere' })).toBeVisible()
  await page.getByRole('link', { name: 'See all products' }).click()
  await expect(productCards(page).first()).toBeVisible()
})

test('an unknown page is not found', async ({ page }) => {
  const response = await page.goto('/no/such/page')
  expect(response?.status()).toBe(404)
  await expect(page.getByRole('heading', { level: 1, name: 'We looked everywhere' })).toBeVisible()
})

test('a page that cannot be loaded can be asked for again', async ({ page }) => {
  const failure = { status: 500, contentType: 'application/problem+json', json: { type: 'about:blank', title: 'Error', status: 500, code: 'internal-error', detail: 'Something broke.' } }
  await page.goto('/products')
  const name = await productCards(page).first().getByRole('heading').innerText()
  await page.route('**/api/v1/products/**', (route) => route.fulfill(failure))
  await productCards(page).first().getByRole('link').click()
  await expect(page.getByRole('heading', { name: 'Something went wrong' })).toBeVisible()
  await page.unroute('**/api/v1/products/**')
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
})
