import { expect, test, type Browser, type Page } from '@playwright/test'
import { expectSignedIn, mailed, signIn, signUp } from './shop'

const telephone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1'

/** Another browser in which the same customer is signed in. */
async function elsewhere(browser: Browser, email: string, userAgent?: string): Promise<Page> {
  const page = await (await browser.newContext(userAgent ? { userAgent } : {})).newPage()
  await page.goto('/sign-in')
  await signIn(page, email)
  await expectSignedIn(page)
  return page
}

/** That a browser finds itself signed out, which may take some seconds. */
async function expectSignedOut(page: Page) {
  await expect(async () => {
    await page.goto('/account')
    await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible({ timeout: 2_000 })
  }).toPass({ timeout: 30_000 })
}

test('devices are listed, and signed out one by one or all at once', async ({ page, browser }) => {
  const email = await signUp(page)
  const phone = await elsewhere(browser, email, telephone)
  const desk = await elsewhere(browser, email)
  await mailed(page.request, email, /A new device signed in/)

  await page.goto('/account/devices')
  await expect(page.getByText('This one')).toBeVisible()
  await expect(page.getByText(/Signed in .* from 127\.0\.0\.x/)).toHaveCount(3)
  await page.getByRole('button', { name: /^Sign out Chrome on iPhone/ }).click()
  await expect(page.getByText('Signed out: Chrome on iPhone')).toBeVisible()
  await expect(page.getByRole('button', { name: /^Sign out Chrome on iPhone/ })).toBeHidden()
  await expectSignedOut(phone)

  const tablet = await elsewhere(browser, email)
  await page.reload()
  await page.getByRole('button', { name: 'Sign out all others' }).click()
  await expect(page.getByText('Your account is signed in nowhere else.')).toBeVisible()
  await expectSignedOut(desk)
  await expectSignedOut(tablet)
  await page.reload()
  await expect(page.getByRole('heading', { level: 1, name: 'Devices' })).toBeVisible()
})

test('signing out everywhere ends this session, too', async ({ page, browser }) => {
  const email = await signUp(page)
  const other = await elsewhere(browser, email)
  await page.goto('/account/devices')
  await page.getByRole('button', { name: 'Sign out everywhere, here too' }).click()
  await expect(page.getByRole('link', { name: 'Sign in', exact: true })).toBeVisible()
  await expectSignedOut(page)
  await expectSignedOut(other)
})

test('a copy of the cookies that is used puts both out, and the owner is told', async ({ page, context, browser }) => {
  const email = await signUp(page)
  const stolen = await context.cookies()
  const refresh = async (cookies: typeof stolen) => {
    const browserOfThief = await browser.newContext()
    await browserOfThief.addCookies(cookies.filter(({ name }) => name !== '__Host-access'))
    const answer = await browserOfThief.request.post('/api/v1/auth/refresh', { headers: { 'Sec-Fetch-Site': 'same-origin' } })
    const after = await browserOfThief.cookies()
    await browserOfThief.close()
    return { status: answer.status(), cookies: after }
  }
  const once = await refresh(stolen)
  expect(once.status).toBe(200)
  expect((await refresh(once.cookies)).status).toBe(200)
  // For half a minute the gateway takes the same cookie for another tab of the same browser.
  await expect(async () => expect((await refresh(stolen)).status).toBe(401)).toPass({ timeout: 90_000, intervals: [2_000] })

  await expectSignedOut(page)
  expect((await refresh(once.cookies)).status, 'the thief is out as well').toBe(401)
  await mailed(page.request, email, /We signed one of your devices out/)
})

test('signing in again leaves no session behind', async ({ page }) => {
  const email = await signUp(page)
  await page.goto('/sign-in')
  await signIn(page, email)
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeHidden()
  await page.goto('/account/devices')
  await expect(page.getByText('Your account is signed in nowhere else.')).toBeVisible()
})

test('a page that cannot be shown says so beside the others, and can be tried again', async ({ page }) => {
  await signUp(page)
  let away = true
  await page.route('**/api/v1/auth/sessions', (route) =>
    away ? route.fulfill({ status: 503, contentType: 'application/problem+json', json: { type: 'about:blank', title: 'Service Unavailable', status: 503, code: 'service-unavailable', detail: 'A part of the shop does not answer at the moment.' } }) : route.fallback(),
  )
  await page.goto('/account/devices')
  await expect(page.getByRole('heading', { level: 1, name: 'Something went wrong' })).toBeVisible()
  await expect(page.getByRole('navigation', { name: 'Account' }).getByRole('link', { name: 'Devices' })).toBeVisible()
  away = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('This one')).toBeVisible()
})
