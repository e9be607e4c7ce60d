import { expect, test, type Locator, type Page } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { productCards } from './shop'

const filters = (page: Page) => page.getByRole('complementary', { name: 'Filters' })
const group = (page: Page, name: string) => filters(page).getByRole('group', { name, exact: true })

/** How many products the list says there are. */
async function total(page: Page): Promise<number> {
  const status = page.getByRole('status').filter({ hasText: /^\d+ products?$/ })
  await expect(status).toHaveCount(1)
  return Number.parseInt(await status.innerText(), 10)
}

/** The number beside a choice. */
async function count(choice: Locator): Promise<number> {
  const label = await choice.evaluate((input: HTMLInputElement) => input.labels?.[0]?.textContent ?? '')
  return Number(/(\d+)\s*$/.exec(label)?.[1])
}

test('each choice shows as many products as it says, and all of it stands in the URL', async ({ page }) => {
  await page.goto('/products?category=kitchen')
  const brands = group(page, 'Brand').getByRole('checkbox')
  await expect(brands.first()).toBeVisible()
  const all = await total(page)
  const [first, second] = [await count(brands.nth(0)), await count(brands.nth(1))]

  await brands.nth(0).check()
  await expect(page).toHaveURL(/brand=/)
  await expect.poll(() => total(page)).toBe(first)
  // Any of the brands: the facet leaves its own choice aside.
  expect(await count(brands.nth(1))).toBe(second)
  await brands.nth(1).check()
  await expect.poll(() => total(page)).toBe(first + second)

  await group(page, 'Availability').getByRole('checkbox', { name: /In stock/ }).check()
  await expect(page).toHaveURL(/inStock=true/)
  const url = page.url()
  const names = await productCards(page).getByRole('heading').allInnerTexts()

  await page.reload()
  await expect(brands.nth(0)).toBeChecked()
  await expect(productCards(page).getByRole('heading')).toHaveText(names)
  await page.goBack()
  await expect(page).not.toHaveURL(/inStock/)
  await expect.poll(() => total(page)).toBe(first + second)
  await page.goForward()
  await expect(page).toHaveURL(url)
  await expect(group(page, 'Availability').getByRole('checkbox')).toBeChecked()

  await page.getByRole('list', { name: 'Active filters' }).getByRole('link', { name: 'Clear all' }).click()
  await expect(page).not.toHaveURL(/brand=|inStock=|category=/)
  await expect.poll(() => total(page)).toBeGreaterThanOrEqual(all)
})

test('a filter is taken away by its chip', async ({ page }) => {
  await page.goto('/products?category=kitchen&minRating=4&inStock=true')
  const chips = page.getByRole('list', { name: 'Active filters' })
  await chips.getByRole('link', { name: 'Remove filter: 4 stars and up' }).click()
  await expect(page).not.toHaveURL(/minRating/)
  await expect(chips.getByRole('link', { name: 'Remove filter: In stock' })).toBeVisible()
  await chips.getByRole('link', { name: 'Remove filter: In stock' }).click()
  // The category alone is what the page is about.
  await expect(chips).toHaveCount(0)
  await expect(page.getByRole('heading', { level: 1, name: 'Kitchen' })).toBeFocused()
})

test('prices are chosen from steps or typed, in the currency that the URL names', async ({ page, context }) => {
  await page.goto('/products')
  const prices = group(page, 'Price')
  const step = prices.getByRole('radio').nth(1)
  const expected = await count(step)
  await step.check()
  await expect.poll(() => total(page)).toBe(expected)
  await expect(page).toHaveURL(/minPrice=1000&maxPrice=2499&currency=EUR/)

  await prices.getByLabel('From, in EUR').fill('30')
  await prices.getByLabel('To, in EUR').fill('20')
  await prices.getByRole('button', { name: 'Set price range' }).click()
  await expect(prices.getByLabel('To, in EUR')).toHaveAccessibleDescription(/more than the least/)
  await prices.getByLabel('To, in EUR').fill('35,50')
  await prices.getByLabel('To, in EUR').press('Enter')
  await expect(page).toHaveURL(/minPrice=3000&maxPrice=3550/)
  await expect(page.getByRole('link', { name: 'Remove filter: €30.00 to €35.50' })).toBeVisible()
  const found = await total(page)

  // A friend who pays in yen sees the same page by the link.
  const friend = await context.newPage()
  await friend.goto(page.url())
  await expect(friend.getByLabel('Currency')).toHaveValue('EUR')
  await expect.poll(() => total(friend)).toBe(found)
  await friend.close()

  // Amounts of one currency say nothing in another.
  await page.getByLabel('Currency').selectOption('JPY')
  await expect(page).not.toHaveURL(/minPrice|currency=/)
  await expect(page.getByRole('link', { name: /Remove filter/ })).toHaveCount(0)
})

test('attributes are those of what is found, and leave when the category does', async ({ page }) => {
  await page.goto('/products?category=kitchen')
  const material = group(page, 'Material').getByRole('checkbox').first()
  const expected = await count(material)
  await material.check()
  await expect(page).toHaveURL(/attribute=Material/)
  await expect.poll(() => total(page)).toBe(expected)
  await filters(page).getByRole('link', { name: 'All categories' }).click()
  await expect(page).not.toHaveURL(/attribute=/)
})

test('filters that nothing fits offer a way back', async ({ page }) => {
  await page.goto('/products?query=teapot&minPrice=9900000&currency=EUR')
  await expect(page.getByRole('heading', { name: 'Nothing found' })).toBeVisible()
  await page.getByRole('main').getByRole('link', { name: 'Search without filters' }).click()
  await expect(productCards(page).first()).toBeVisible()
})

test('who comes back to a long list stands where they left it', async ({ page }) => {
  await page.goto('/products?sort=name')
  await page.getByRole('button', { name: 'Load more' }).click()
  await expect(productCards(page)).toHaveCount(48)
  await expect(productCards(page).nth(24).getByRole('link')).toBeFocused()
  const card = productCards(page).nth(40)
  await card.scrollIntoViewIfNeeded()
  const name = await card.getByRole('heading').innerText()
  const before = await page.evaluate(() => window.scrollY)
  await card.getByRole('link').click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  await page.goBack()
  await expect(productCards(page)).toHaveCount(48)
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBe(before)
  await page.reload()
  await expect(productCards(page)).toHaveCount(48)
  await expect(card).toBeInViewport()
})

test.describe('on a phone of 320 px', () => {
  test.use({ viewport: { width: 320, height: 640 } })

  test('filters open as a dialog, from the keyboard alone', async ({ page }) => {
    await page.goto('/products?category=kitchen')
    const open = page.getByRole('button', { name: 'Filters' })
    await expect(page.getByRole('complementary', { name: 'Filters' })).toBeHidden()
    await open.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Filters' })
    await expect(dialog).toBeVisible()
    expect(await dialog.evaluate((element) => element.contains(document.activeElement))).toBe(true)
    const brand = dialog.getByRole('group', { name: 'Brand' }).getByRole('checkbox').first()
    await brand.focus()
    await page.keyboard.press('Space')
    await expect(page).toHaveURL(/brand=/)
    await expectFits(page)
    await expectAccessible(page)
    await expect(dialog.getByRole('button', { name: /^Show \d+ product/ })).toBeVisible()
    await page.keyboard.press('Escape')
    await expect(dialog).toHaveCount(0)
    await expect(page.getByRole('button', { name: 'Filters (2)' })).toBeFocused()
    await expectFits(page)
  })
})
