import { readFile } from 'node:fs/promises'
import { expect, test, type Page } from '@playwright/test'
import { expectAccessible } from './barriers'
import { codeOf } from './codes'
import { askForFreshLogin, expectSignedIn, mailed, password, proveAgain, signIn, signUp } from './shop'

/** Plugs in an authenticator with a fingerprint that always fits. */
async function plugIn(page: Page) {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  })
  return {
    refuse: () => devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false }),
    accept: () => devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true }),
  }
}

/** Makes the browser one that offers no passkeys where the e-mail is typed, so that nothing but the button asks for one. */
async function withoutFillIn(page: Page) {
  await page.addInitScript(() => {
    PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(false)
  })
}

async function signOut(page: Page) {
  await page.goto('/account')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByRole('link', { name: 'Sign in', exact: true })).toBeVisible()
}

/** Adds a passkey on the open page about security. */
async function addPasskey(page: Page, name: string) {
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.getByLabel('Name').fill(name)
  await page.getByRole('button', { name: 'Add', exact: true }).click()
}

/** Adds an authenticator app, and returns its secret and the recovery codes. */
async function setUpApp(page: Page): Promise<{ secret: string; recovery: string[] }> {
  await page.goto('/account/security')
  await page.getByRole('button', { name: 'Set up an app' }).click()
  await page.getByRole('button', { name: 'I have one' }).click()
  const dialog = page.getByRole('dialog', { name: 'Scan this with your app' })
  await expect(dialog.getByRole('img', { name: 'QR code for the authenticator app' })).toBeVisible()
  const secret = (await dialog.getByText(/^([A-Z2-7]{4} )+[A-Z2-7]+$/).innerText()).replaceAll(' ', '')
  await dialog.getByLabel('Code that the app shows').fill('000000')
  await dialog.getByRole('button', { name: 'Turn on' }).click()
  await expect(dialog.getByLabel('Code that the app shows')).toHaveAccessibleDescription(/not the code of now/)
  await dialog.getByLabel('Code that the app shows').fill(codeOf(secret))
  await dialog.getByRole('button', { name: 'Turn on' }).click()
  const codes = page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem')
  await expect(codes).toHaveCount(10)
  return { secret, recovery: await codes.allInnerTexts() }
}

test('an authenticator app is asked for, each code once, and a recovery code stands in for it', async ({ page }) => {
  const email = await signUp(page)
  const { secret, recovery } = await setUpApp(page)
  await page.keyboard.press('Escape')
  await expectAccessible(page)
  await expect(page.getByRole('list', { name: 'Recovery codes' }), 'they are shown once, so Escape does not lose them').toBeVisible()
  const downloading = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download' }).click()
  const file = await readFile(await (await downloading).path(), 'utf8')
  for (const code of recovery) expect(file).toContain(code)
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await expect(page.getByText('10 of 10 left')).toBeVisible()
  await mailed(page.request, email, /The ways to sign in to your account were changed/)

  await signOut(page)
  await page.goto('/sign-in')
  await signIn(page, email)
  await expect(page.getByLabel('Code')).toBeFocused()
  await expectAccessible(page)
  await page.getByLabel('Code').fill('123456')
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByLabel('Code')).toHaveAccessibleDescription(/not right, or was used before/)
  // The shop takes a code that is a step early, so the test need not wait for the next one.
  const next = codeOf(secret, 1)
  await page.getByLabel('Code').fill(next)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expectSignedIn(page)

  await signOut(page)
  await page.goto('/sign-in')
  await signIn(page, email)
  await page.getByLabel('Code').fill(next)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByLabel('Code')).toHaveAccessibleDescription(/used before/)
  await page.getByRole('button', { name: 'Use a recovery code' }).click()
  await expect(page.getByLabel('Recovery code')).toBeFocused()
  await page.getByLabel('Recovery code').fill((recovery[0] ?? '').toUpperCase())
  await page.getByRole('button', { name: 'Continue' }).click()
  await expectSignedIn(page)
  await mailed(page.request, email, /A recovery code was used/)

  await page.goto('/account/security')
  await expect(page.getByText('9 of 10 left')).toBeVisible()
  await page.getByRole('button', { name: 'Get other codes' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Get other codes' }).click()
  const others = await page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').allInnerTexts()
  expect(others.filter((code) => recovery.includes(code))).toEqual([])
  await page.getByRole('button', { name: 'I have kept them' }).click()

  await page.getByRole('button', { name: 'Remove authenticator app' }).click()
  await page.getByRole('button', { name: 'Remove it' }).click()
  await expect(page.getByRole('button', { name: 'Set up an app' })).toBeVisible()
  await signOut(page)
  await page.goto('/sign-in')
  await signIn(page, email)
  await expectSignedIn(page)
})

test('a code that was asked for too long ago begins again', async ({ page, context }) => {
  const email = await signUp(page)
  await setUpApp(page)
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await signOut(page)
  await page.goto('/sign-in')
  await signIn(page, email)
  await expect(page.getByLabel('Code')).toBeVisible()
  await context.clearCookies({ name: '__Host-challenge' })
  await page.getByLabel('Code').fill('123456')
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByRole('alert')).toContainText('took too long')
  await page.getByRole('button', { name: 'Start again' }).click()
  await expect(page.getByLabel('Password')).toBeVisible()
})

test('a passkey signs in without a password, and not after it was removed', async ({ page }) => {
  await withoutFillIn(page)
  await signUp(page)
  const authenticator = await plugIn(page)
  await page.goto('/account/security')
  await authenticator.refuse()
  await addPasskey(page, 'My laptop')
  await expect(page.getByRole('alert')).toContainText('cancelled, or took too long')
  await authenticator.accept()
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await expect(page.getByRole('button', { name: 'Remove passkey My laptop' })).toBeVisible()
  await addPasskey(page, 'The same once more')
  await expect(page.getByRole('alert')).toContainText('has a passkey for the shop already')
  await page.keyboard.press('Escape')

  await signOut(page)
  await authenticator.refuse()
  await page.goto('/sign-in')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.getByRole('alert')).toContainText('No passkey was used')
  await authenticator.accept()
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expectSignedIn(page)
  await page.goto('/account/security')
  await expect(page.getByText(/last used on/)).toBeVisible()

  await page.getByRole('button', { name: 'Remove passkey My laptop' }).click()
  await page.getByRole('button', { name: 'Remove it' }).click()
  await expect(page.getByText('Passkey removed: My laptop')).toBeVisible()
  await signOut(page)
  await page.goto('/sign-in')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.getByRole('alert')).toContainText('not known here')
})

test('a passkey is offered where the e-mail is typed', async ({ page }) => {
  await signUp(page)
  await plugIn(page)
  await page.goto('/account/security')
  await addPasskey(page, 'My laptop')
  await expect(page.getByRole('button', { name: 'Remove passkey My laptop' })).toBeVisible()
  await signOut(page)
  await page.goto('/sign-in')
  // The authenticator says yes to all, so nothing need be chosen.
  await expectSignedIn(page)
  await page.goto('/account/security')
  await expect(page.getByText(/last used on/)).toBeVisible()
})

test('a second tab leaves the code that the first asks for alone', async ({ page, context }) => {
  const email = await signUp(page)
  const { secret } = await setUpApp(page)
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await signOut(page)
  await page.goto('/sign-in')
  await signIn(page, email)
  await expect(page.getByLabel('Code')).toBeVisible()
  const second = await context.newPage()
  await plugIn(second)
  await second.goto('/sign-in')
  await second.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(second.getByRole('alert')).toContainText('No passkey was used')
  await page.getByLabel('Code').fill(codeOf(secret, 1))
  await page.getByRole('button', { name: 'Continue' }).click()
  await expectSignedIn(page)
})

test('what matters asks who it is when the sign-in is old, and a passkey answers that, too', async ({ page }) => {
  await signUp(page)
  await plugIn(page)
  await page.goto('/account/security')
  await askForFreshLogin(page, '/auth/passkeys/register/begin')
  await addPasskey(page, 'My laptop')
  const question = page.getByRole('dialog', { name: 'Is it still you?' })
  await expect(question.getByLabel('Password')).toBeFocused()
  await expectAccessible(page)
  await question.getByLabel('Password').fill('not my password')
  await question.getByRole('button', { name: 'Continue' }).click()
  await expect(question.getByRole('alert')).toHaveText('The e-mail address or the password is wrong.')
  await proveAgain(page)
  await expect(page.getByRole('button', { name: 'Remove passkey My laptop' })).toBeVisible()

  await askForFreshLogin(page, '/auth/factors/totp')
  await page.getByRole('button', { name: 'Set up an app' }).click()
  await page.getByRole('button', { name: 'I have one' }).click()
  await question.getByRole('button', { name: 'Not now' }).click()
  await expect(page.getByRole('alert')).toContainText('Nothing was changed')
  await askForFreshLogin(page, '/auth/factors/totp')
  await page.getByRole('button', { name: 'I have one' }).click()
  await question.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.getByRole('dialog', { name: 'Scan this with your app' })).toBeVisible()
})

test('changing the password signs out everywhere else', async ({ page, browser }) => {
  const email = await signUp(page)
  const elsewhere = await (await browser.newContext()).newPage()
  await elsewhere.goto('/sign-in')
  await signIn(elsewhere, email)
  await expectSignedIn(elsewhere)

  await page.goto('/account/security')
  await page.getByRole('button', { name: 'Change password' }).click()
  const dialog = page.getByRole('dialog', { name: 'Change your password' })
  await dialog.getByLabel('Present password').fill('not my password')
  await dialog.getByLabel('New password').fill('another teapot entirely')
  await dialog.getByRole('button', { name: 'Change password' }).click()
  await expect(dialog.getByLabel('Present password')).toHaveAccessibleDescription('This is not your present password.')
  await dialog.getByLabel('Present password').fill(password)
  await dialog.getByLabel('New password').fill(email)
  await dialog.getByRole('button', { name: 'Change password' }).click()
  await expect(dialog.getByLabel('New password')).toHaveAccessibleDescription(/must not be the e-mail address/)
  await dialog.getByLabel('New password').fill('another teapot entirely')
  await dialog.getByRole('button', { name: 'Change password' }).click()
  await expect(page.getByText('Password changed.')).toBeVisible()
  await expect(dialog).toBeHidden()

  await expect(async () => {
    await elsewhere.goto('/account')
    await expect(elsewhere.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible({ timeout: 2_000 })
  }).toPass()
  await page.reload()
  await expect(page.getByRole('heading', { level: 1, name: 'Security' })).toBeVisible()
})
