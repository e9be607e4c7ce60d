import { expect, test, type Locator, type Page } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { checkOut, fillBasket, openBackOffice, signUp } from './shop'

/** A customer who has bought something, on its page; returns its address. */
async function buyOne(page: Page): Promise<string> {
  await signUp(page)
  await fillBasket(page)
  const { pathname } = new URL(page.url())
  await checkOut(page)
  await page.goto(pathname)
  return pathname
}

async function write(page: Page, stars: number, title: string, text: string) {
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: `${stars} star` }).check()
  await dialog.getByLabel('Title').fill(title)
  await dialog.getByLabel('Review', { exact: true }).fill(text)
}

/** Opens the queue of reviews where this one is: the oldest come first, and other tests write, too. */
async function findQueued(staff: Page, title: string): Promise<Locator> {
  const queued = staff.getByRole('article', { name: title })
  await expect(async () => {
    await staff.goto('/admin/reviews')
    const next = staff.getByRole('link', { name: 'Next page' })
    await expect(staff.getByRole('article').first()).toBeVisible({ timeout: 5_000 })
    while ((await queued.count()) === 0 && (await next.count()) > 0) {
      const url = staff.url()
      await next.click()
      await expect(staff).not.toHaveURL(url)
      await expect(staff.getByRole('article').first()).toBeVisible({ timeout: 5_000 })
    }
    await expect(queued).toBeVisible({ timeout: 2_000 })
  }).toPass()
  return queued
}

const own = (page: Page) => page.getByRole('group', { name: 'Your review' })

test('a buyer reviews, the shop reads, everybody sees', async ({ page, browser }) => {
  const path = await buyOne(page)
  const title = `Useful ${crypto.randomUUID().slice(0, 8)}`

  await page.getByRole('button', { name: 'Write a review' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Send review' }).click()
  await expect(dialog.getByText('Choose a rating.')).toBeVisible()
  await expectAccessible(page)
  await write(page, 4, title, 'Not a drop beside the cup.\n<b>Bold</b> words.')
  await dialog.getByRole('button', { name: 'Send review' }).click()
  await expect(own(page)).toContainText('Waiting')
  const published = page.getByRole('list', { name: 'Reviews' }).getByRole('article').filter({ hasText: title })
  await expect(published).toHaveCount(0)

  const staff = await openBackOffice(browser)
  const queued = await findQueued(staff, title)
  await expect(queued).toContainText('<b>Bold</b> words.')
  await queued.getByRole('button', { name: /^Publish/ }).click()
  await expect(queued).toHaveCount(0)

  const visitor = await (await browser.newContext()).newPage()
  await expect(async () => {
    await visitor.goto(path)
    const review = visitor.getByRole('list', { name: 'Reviews' }).getByRole('article').filter({ hasText: title })
    await expect(review).toContainText('Ada L.', { timeout: 2_000 })
    await expect(review).toContainText('<b>Bold</b> words.')
    await expect(review.getByRole('img', { name: 'Rated 4 out of 5' })).toBeVisible()
  }).toPass()
  await expect(visitor.getByRole('list', { name: 'How many stars were given' })).toBeVisible()
  await expect(visitor.getByRole('link', { name: 'Sign in to write a review' })).toBeVisible()
  await expectAccessible(visitor)
  await visitor.setViewportSize({ width: 320, height: 640 })
  await expectFits(visitor)

  // What is changed is read again before others see it.
  await page.reload()
  await expect(own(page)).toContainText('Published')
  await own(page).getByRole('button', { name: 'Edit review' }).click()
  await expect(page.getByRole('dialog').getByRole('radio', { name: '4 stars' })).toBeChecked()
  await write(page, 2, title, 'It broke.')
  await page.getByRole('dialog').getByRole('button', { name: 'Save review' }).click()
  await expect(own(page)).toContainText('Waiting')

  const again = await findQueued(staff, title)
  await again.getByRole('button', { name: /^Reject/ }).click()
  await staff.getByRole('dialog').getByLabel('Reason').fill('Please say what broke.')
  await staff.getByRole('dialog').getByRole('button', { name: 'Reject review' }).click()
  await expect(again).toHaveCount(0)
  await page.reload()
  await expect(own(page)).toContainText('Please say what broke.')
  await own(page).getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete review' }).click()
  await expect(page.getByRole('button', { name: 'Write a review' })).toBeVisible()
  await visitor.context().close()
  await staff.context().close()
})

test('who has not bought it is told so', async ({ page }) => {
  await signUp(page)
  await page.goto('/products/robin-teapot')
  await page.getByRole('button', { name: 'Write a review' }).click()
  await write(page, 5, 'Lovely', 'I have seen it in a window.')
  await page.getByRole('dialog').getByRole('button', { name: 'Send review' }).click()
  await expect(page.getByRole('alert')).toContainText('Reviews come from those who bought the product')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('of two windows, the second learns that there is a review already', async ({ page }) => {
  const path = await buyOne(page)
  const other = await page.context().newPage()
  await other.goto(path)
  await other.getByRole('button', { name: 'Write a review' }).click()
  await page.getByRole('button', { name: 'Write a review' }).click()
  await write(page, 5, 'First', 'From one window.')
  await page.getByRole('dialog').getByRole('button', { name: 'Send review' }).click()
  await expect(own(page)).toContainText('First')
  await write(other, 1, 'Second', 'From another.')
  await other.getByRole('dialog').getByRole('button', { name: 'Send review' }).click()
  await expect(other.getByRole('alert')).toContainText('You have reviewed it already')
  await other.getByRole('button', { name: 'Close' }).click()
  await expect(own(other)).toContainText('First')
})

test('stars are given by the arrow keys', async ({ page }) => {
  await signUp(page)
  await page.goto('/products/robin-teapot')
  await page.getByRole('button', { name: 'Write a review' }).click()
  const stars = page.getByRole('group', { name: 'Rating' })
  await stars.getByRole('radio', { name: '1 star' }).focus()
  for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('ArrowRight')
  await expect(stars.getByRole('radio', { name: '4 stars' })).toBeChecked()
})
