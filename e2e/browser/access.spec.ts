import { expect, test, type Page } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { expectPaid, fillBasket, fillCheckout, newEmail, payButton, productCards } from './shop'

/** Pages that need nothing but a visit, with what shows that they have loaded. */
const pages: [name: string, path: string, loaded: (page: Page) => Promise<void>][] = [
  ['home', '/', async (page) => expect(productCards(page).first()).toBeVisible()],
  ['product list', '/products', async (page) => expect(productCards(page).first()).toBeVisible()],
  ['nothing found', '/products?query=qzxwv', async (page) => expect(page.getByText('Nothing found')).toBeVisible()],
  ['empty basket', '/basket', async (page) => expect(page.getByText('Your basket is empty')).toBeVisible()],
  ['sign in', '/sign-in', async (page) => expect(page.getByLabel('Password')).toBeVisible()],
  ['register', '/register', async (page) => expect(page.getByLabel('Password')).toBeVisible()],
  ['verify', '/verify-email?token=x', async (page) => expect(page.getByRole('button', { name: 'Confirm address' })).toBeVisible()],
  ['not found', '/no/such/page', async (page) => expect(page.getByText('We looked everywhere')).toBeVisible()],
]

for (const scheme of ['light', 'dark'] as const) {
  test.describe(`in ${scheme} colours`, () => {
    test.use({ colorScheme: scheme, contextOptions: { reducedMotion: 'reduce' } })
    // Dark differs from light in its colours alone.
    const rules = scheme === 'dark' ? ['color-contrast'] : undefined

    test('no page has a serious barrier', async ({ page }) => {
      for (const [name, path, loaded] of pages) {
        await test.step(name, async () => {
          await page.goto(path)
          await loaded(page)
          await expectAccessible(page, rules)
        })
      }
    })

    test('the way from product to order has no serious barrier', async ({ page }) => {
      await fillBasket(page)
      await expectAccessible(page, rules)
      await page.goto('/basket')
      await expect(page.getByRole('link', { name: 'Go to checkout' })).toBeVisible()
      await expectAccessible(page, rules)
      await page.goto('/checkout')
      await expect(payButton(page)).toHaveText(/\d/)
      await payButton(page).click()
      await expect(page.getByText('Enter your city.')).toBeVisible()
      await expectAccessible(page, rules)
      await fillCheckout(page, { email: newEmail() })
      await payButton(page).click()
      await expectPaid(page)
      await expectAccessible(page, rules)
    })
  })
}

test.describe('on a phone of 320 px', () => {
  test.use({ viewport: { width: 320, height: 640 } })

  test('no page needs sideways scrolling', async ({ page }) => {
    for (const [name, path, loaded] of pages) {
      await test.step(name, async () => {
        await page.goto(path)
        await loaded(page)
        await expectFits(page)
      })
    }
  })

  test('the way from product to order needs no sideways scrolling', async ({ page }) => {
    await fillBasket(page)
    await expectFits(page)
    await page.goto('/basket')
    await expect(page.getByRole('link', { name: 'Go to checkout' })).toBeVisible()
    await expectFits(page)
    await page.goto('/checkout')
    await fillCheckout(page, { email: newEmail() })
    await expectFits(page)
    await payButton(page).click()
    await expectPaid(page)
    await expectFits(page)
  })
})

test('the shop can be used by keyboard alone', async ({ page }) => {
  await page.goto('/products')
  await expect(productCards(page).first()).toBeVisible()
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused()
  await page.keyboard.press('Enter')
  const first = productCards(page).filter({ hasNotText: 'Sold out' }).first().getByRole('link')
  await first.focus()
  await page.keyboard.press('Enter')
  const add = page.getByRole('button', { name: 'Add to basket' })
  await expect(add).toBeVisible()
  await expect(page.getByRole('main')).toBeFocused()
  await tabTo(page, () => add.evaluate((element) => element === document.activeElement))
  await page.keyboard.press('Enter')
  await expect(page.getByRole('status').filter({ hasText: 'Added to your basket' })).toBeVisible()
  const view = page.getByRole('link', { name: 'View basket' })
  await view.focus()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Your basket' })).toBeVisible()
})

async function tabTo(page: Page, reached: () => Promise<boolean>) {
  for (let presses = 0; presses < 30; presses += 1) {
    await page.keyboard.press('Tab')
    if (await reached()) return
  }
  throw new Error('not reached by 30 presses of Tab')
}
