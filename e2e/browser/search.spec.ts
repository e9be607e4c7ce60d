import { expect, test } from '@playwright/test'
import { expectAccessible } from './barriers'
import { productCards } from './shop'

test('the field suggests while somebody types, and is driven by the keyboard alone', async ({ page }) => {
  await page.goto('/')
  const field = page.getByRole('combobox', { name: 'Search products' })
  await field.focus()
  await expect(field).toHaveAttribute('aria-expanded', 'false')
  await page.keyboard.type('teap')
  const list = page.getByRole('listbox', { name: 'Suggestions' })
  const product = list.getByRole('group', { name: 'Products' }).getByRole('option', { name: /teapot/i }).first()
  await expect(product).toBeVisible()
  await expect(field).toHaveAttribute('aria-expanded', 'true')
  await expect(page.getByRole('status').filter({ hasText: /suggestion/ })).toHaveCount(1)
  await expectAccessible(page)

  await page.keyboard.press('ArrowDown')
  await expect(list.getByRole('option', { selected: true })).toHaveCount(1)
  await expect(field).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(list).toBeHidden()
  await expect(field).toHaveValue('teap')
  await page.keyboard.press('ArrowDown')
  await expect(list).toBeVisible()

  const name = await product.innerText()
  for (let presses = 0; presses < 20 && (await product.getAttribute('aria-selected')) !== 'true'; presses += 1) await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  await expect(list).toBeHidden()
})

test('Enter without a marked suggestion searches for what was typed', async ({ page }) => {
  await page.goto('/')
  await page.getByLabel('Search products').fill('teapot')
  await expect(page.getByRole('option').first()).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/\/products\?query=teapot$/)
  await expect(page.getByRole('heading', { level: 1, name: 'Results for “teapot”' })).toBeVisible()
  await expect(page.getByLabel('Search products')).toHaveValue('teapot')
})

test('a suggestion is followed by a click', async ({ page }) => {
  await page.goto('/')
  await page.getByLabel('Search products').fill('lamp')
  const option = page.getByRole('group', { name: 'Products' }).getByRole('option').first()
  const name = await option.innerText()
  await option.click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
})

test('no request goes out for every key, and a late answer to fewer letters shows nothing', async ({ page }) => {
  await page.clock.install()
  await page.goto('/')
  const asked: string[] = []
  let answer = () => {}
  const late = new Promise<void>((resolve) => (answer = resolve))
  await page.route('**/api/v1/suggest?*', async (route) => {
    const typed = new URL(route.request().url()).searchParams.get('q') ?? ''
    asked.push(typed)
    if (typed === 'lamp') await late
    await route.continue()
  })
  const field = page.getByLabel('Search products')
  const suggestion = (name: RegExp) => page.getByRole('group', { name: 'Products' }).getByRole('option', { name })
  // Time stands still while keys are pressed, however long this machine takes over them.
  await page.clock.pauseAt(new Date(Date.now() + 3_600_000))
  await field.pressSequentially('lamp')
  expect(asked).toEqual([])
  await page.clock.resume()
  await expect.poll(() => asked).toEqual(['lamp'])

  await page.clock.pauseAt(new Date(Date.now() + 7_200_000))
  await field.fill('')
  await field.pressSequentially('teapot')
  await page.clock.resume()
  await expect(suggestion(/teapot/i).first()).toBeVisible()
  expect(asked).toEqual(['lamp', 'teapot'])
  answer()
  await page.waitForLoadState('networkidle')
  await expect(suggestion(/lamp/i)).toHaveCount(0)
  await expect(suggestion(/teapot/i).first()).toBeVisible()
})

test('a mistyped word finds what was meant, and the page says so', async ({ page }) => {
  await page.goto('/products?query=teepot')
  await expect(productCards(page).filter({ hasText: /teapot/i }).first()).toBeVisible()
  const notice = page.getByRole('status').filter({ hasText: 'Nothing is called “teepot”' })
  await expect(notice).toBeVisible()
  await notice.getByRole('link').click()
  await expect(page).toHaveURL(/query=teapot/)
  await expect(notice).toHaveCount(0)
  // Marks have no role that Playwright knows.
  await expect(productCards(page).first().locator('mark').first()).toHaveText(/teapot/i)
})

test('a search without a hit offers a way on', async ({ page }) => {
  await page.goto('/products?query=qzxwvqzxwv')
  await expect(page.getByRole('heading', { name: 'Nothing found' })).toBeVisible()
  await page.getByRole('link', { name: 'Show all products' }).click()
  await expect(productCards(page).first()).toBeVisible()
})
