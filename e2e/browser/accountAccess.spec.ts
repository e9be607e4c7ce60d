import { expect, test, type Page } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { fillBasket, signUp } from './shop'

/** The pages of the account, with what shows that they have loaded. */
const pages: [name: string, path: string, loaded: (page: Page) => Promise<void>][] = [
  ['forgot', '/forgot-password', async (page) => expect(page.getByLabel('E-mail')).toBeVisible()],
  ['reset', '/reset-password?token=x', async (page) => expect(page.getByLabel('New password')).toBeVisible()],
  ['a spent reset', '/reset-password', async (page) => expect(page.getByRole('link', { name: 'Ask for another link' })).toBeVisible()],
  ['confirm e-mail', '/confirm-email?token=x', async (page) => expect(page.getByRole('button', { name: 'Confirm this address' })).toBeVisible()],
  ['profile', '/account', async (page) => expect(page.getByLabel('Phone')).toBeVisible()],
  ['addresses', '/account/addresses', async (page) => expect(page.getByRole('button', { name: 'Add address' })).toBeVisible()],
  ['wishlist', '/account/wishlist', async (page) => expect(page.getByRole('button', { name: /^Remove / })).toBeVisible()],
  ['security', '/account/security', async (page) => expect(page.getByRole('button', { name: 'Set up an app' })).toBeVisible()],
  ['devices', '/account/devices', async (page) => expect(page.getByText('This one')).toBeVisible()],
  ['preferences', '/account/preferences', async (page) => expect(page.getByRole('checkbox').first()).toBeVisible()],
  ['privacy', '/account/privacy', async (page) => expect(page.getByRole('button', { name: 'Ask for a copy' })).toBeVisible()],
  ['orders', '/orders', async (page) => expect(page.getByRole('heading', { name: 'No orders yet' })).toBeVisible()],
]

/** The questions that the pages ask, by the button that opens them. */
const questions: [path: string, button: string][] = [
  ['/account', 'Change address'],
  ['/account/addresses', 'Add address'],
  ['/account/security', 'Add a passkey'],
  ['/account/security', 'Set up an app'],
  ['/account/security', 'Change password'],
  ['/account/privacy', 'Erase my account'],
]

async function wish(page: Page) {
  await fillBasket(page)
  await page.getByRole('button', { name: 'Wishlist' }).click()
  // The heart is full before the shop has answered.
  await expect(page.getByRole('status').filter({ hasText: 'On your wishlist' })).toBeVisible()
}

async function eachPage(page: Page, look: () => Promise<void>) {
  for (const [name, path, loaded] of pages) {
    await test.step(name, async () => {
      await page.goto(path)
      await loaded(page)
      await look()
    })
  }
  for (const [path, button] of questions) {
    await test.step(button, async () => {
      await page.goto(path)
      await page.getByRole('button', { name: button, exact: true }).click()
      await expect(page.getByRole('dialog')).toBeVisible()
      await look()
    })
  }
  await test.step('the QR code', async () => {
    await page.goto('/account/security')
    await page.getByRole('button', { name: 'Set up an app' }).click()
    await page.getByRole('button', { name: 'I have one' }).click()
    await expect(page.getByRole('img', { name: /QR code/ })).toBeVisible()
    await look()
  })
}

for (const scheme of ['light', 'dark'] as const) {
  test.describe(`in ${scheme} colours`, () => {
    test.use({ colorScheme: scheme, contextOptions: { reducedMotion: 'reduce' } })
    // Dark differs from light in its colours alone.
    const rules = scheme === 'dark' ? ['color-contrast'] : undefined

    test('no page of the account has a serious barrier', async ({ page }) => {
      test.slow()
      await signUp(page)
      await wish(page)
      await eachPage(page, () => expectAccessible(page, rules))
    })
  })
}

test.describe('on a phone of 320 px', () => {
  test.use({ viewport: { width: 320, height: 640 } })

  test('no page of the account needs sideways scrolling', async ({ page }) => {
    test.slow()
    await signUp(page)
    await wish(page)
    await eachPage(page, () => expectFits(page))
  })
})

/** Presses Tab until the element of that role and name has the focus. */
async function tabTo(page: Page, role: 'link' | 'button' | 'textbox' | 'checkbox', name: string) {
  const wanted = page.getByRole(role, { name, exact: true })
  for (let presses = 0; presses < 60; presses += 1) {
    if (await wanted.evaluateAll((found) => found.some((element) => element === document.activeElement))) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`${role} ${name} is not reached by Tab`)
}

test('the account can be kept by keyboard alone', async ({ page }) => {
  await signUp(page)
  await page.goto('/account')
  await expect(page.getByRole('heading', { level: 1, name: 'Your account' })).toBeVisible()
  await tabTo(page, 'link', 'Addresses')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Addresses' })).toBeVisible()
  await expect(page.getByRole('main')).toBeFocused()
  await tabTo(page, 'button', 'Add address')
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'New address' })
  for (const [label, text] of [['Full name', 'Ada Lovelace'], ['Street and number', 'Torstraße 1'], ['Postal code', '10119'], ['City', 'Berlin']] as const) {
    await tabTo(page, 'textbox', label)
    await page.keyboard.type(text)
  }
  await page.keyboard.press('Enter')
  await expect(dialog).toBeHidden()
  await expect(page.getByRole('main').getByText('Torstraße 1')).toBeVisible()

  await tabTo(page, 'button', 'Edit Torstraße 1')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog', { name: 'Edit address' })).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('button', { name: 'Edit Torstraße 1' })).toBeFocused()

  await page.goto('/account/preferences')
  await expect(page.getByRole('checkbox').first()).toBeVisible()
  await tabTo(page, 'checkbox', 'News and offers')
  await page.keyboard.press('Space')
  await tabTo(page, 'button', 'Save preferences')
  await page.keyboard.press('Enter')
  await expect(page.getByText(/You agreed on/)).toBeVisible()
})

test('who works here and has no second factor is led to add one', async ({ page }) => {
  await signUp(page)
  // As the shop answers outside local mode, where staff need one.
  await page.route('**/api/v1/auth/me', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: { ...(await answer.json()), secondFactorRequired: true } })
  })
  await page.goto('/admin')
  await expect(page).toHaveURL(/\/account\/security$/)
  await expect(page.getByText('You work here: add a second factor')).toBeVisible()
})
