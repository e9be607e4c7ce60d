import { expect, test } from '@playwright/test'
import { expectAccessible } from './barriers'
import { productCards } from './shop'

test('the way down to a product leads back up', async ({ page }) => {
  await page.goto('/products/robin-teapot')
  const crumbs = page.getByRole('navigation', { name: 'Breadcrumbs' })
  await expect(crumbs.getByText('Robin Teapot')).toHaveAttribute('aria-current', 'page')
  await crumbs.getByRole('link', { name: 'Kitchen' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Kitchen' })).toBeVisible()
})

test('a picture is enlarged and put away by the keyboard', async ({ page }) => {
  await page.goto('/products/robin-teapot')
  const enlarge = page.getByRole('button', { name: 'Enlarge Robin Teapot' })
  await enlarge.focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Robin Teapot' })
  await expect(dialog.getByRole('img', { name: 'Robin Teapot' })).toBeVisible()
  await expectAccessible(page)
  await page.keyboard.press('Escape')
  await expect(dialog).toHaveCount(0)
  await expect(enlarge).toBeFocused()
})

test('what was looked at stands on the pages that follow, in this browser alone', async ({ page, browser }) => {
  await page.goto('/products/robin-teapot')
  await expect(page.getByRole('heading', { level: 1, name: 'Robin Teapot' })).toBeVisible()
  await page.goto('/products/sunny-side-skillet')
  const looked = page.getByRole('region', { name: 'You looked at' })
  await expect(looked.getByRole('link', { name: 'Robin Teapot' })).toBeVisible()
  await expect(looked.getByRole('link', { name: 'Sunny Side Skillet' })).toHaveCount(0)
  const other = await (await browser.newContext()).newPage()
  await other.goto('/products/sunny-side-skillet')
  await expect(other.getByRole('heading', { level: 1 })).toBeVisible()
  await expect(other.getByRole('region', { name: 'You looked at' })).toHaveCount(0)
  await other.context().close()
})

test('a product leads to others that go with it', async ({ page }) => {
  await page.goto('/products/robin-teapot')
  const related = page.getByRole('region', { name: 'Goes well with it' })
  const link = related.getByRole('link').first()
  const name = await link.innerText()
  expect(name).not.toBe('Robin Teapot')
  await link.click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
})

test('pictures are fetched in the size that they are shown in, and what is out of sight later', async ({ page }) => {
  const asked: string[] = []
  page.on('request', (request) => {
    const { pathname, search } = new URL(request.url())
    if (pathname.startsWith('/api/v1/images/')) asked.push(search)
  })
  // How far ahead a browser fetches is its own to say: with such tall cards the last ones are out of sight for any.
  await page.route('**/*.css', async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, body: `${await response.text()} main article { min-height: 2000px }` })
  })
  await page.setViewportSize({ width: 390, height: 800 })
  await page.goto('/products')
  await expect(productCards(page)).toHaveCount(24)
  await page.waitForLoadState('networkidle')
  expect(new Set(asked)).toEqual(new Set(['?width=160']))
  expect(asked.length).toBeLessThan(24)
})
