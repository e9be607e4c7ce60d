import { readFile } from 'node:fs/promises'
import { inflateRawSync } from 'node:zlib'
import { expect, test } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { askForFreshLogin, buy, expectSignedIn, proveAgain, register, signIn, signUp } from './shop'

/** The files of a ZIP archive, by their central directory. */
function unzip(archive: Buffer): Record<string, string> {
  const files: Record<string, string> = {}
  let at = archive.readUInt32LE(archive.lastIndexOf('PK\u0005\u0006') + 16)
  while (archive.readUInt32LE(at) === 0x02014b50) {
    const [size, nameLength, extra, comment, start] = [archive.readUInt32LE(at + 20), archive.readUInt16LE(at + 28), archive.readUInt16LE(at + 30), archive.readUInt16LE(at + 32), archive.readUInt32LE(at + 42)]
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength)
    const body = start + 30 + archive.readUInt16LE(start + 26) + archive.readUInt16LE(start + 28)
    const packed = archive.subarray(body, body + size)
    files[name] = (archive.readUInt16LE(at + 10) === 0 ? packed : inflateRawSync(packed)).toString('utf8')
    at += 46 + nameLength + extra + comment
  }
  return files
}

test('a copy of the data is collected, fetched once, and to be read', async ({ page, browser }) => {
  const email = await signUp(page)
  await page.goto('/account/privacy')
  await askForFreshLogin(page, '/account/privacy/export')
  await page.getByRole('button', { name: 'Ask for a copy' }).click()
  await proveAgain(page)
  const download = page.getByRole('link', { name: 'Download' })
  await expect(download).toBeVisible({ timeout: 60_000 })
  const link = (await download.getAttribute('href')) ?? ''
  const stranger = await (await browser.newContext()).newPage()
  await signUp(stranger)
  expect((await stranger.request.get(link)).status(), 'the link is its owner\'s').toBe(404)

  const downloading = page.waitForEvent('download')
  await download.click()
  const file = await downloading
  expect(file.suggestedFilename()).toBe('sidecart-export.zip')
  const files = unzip(await readFile(await file.path()))
  expect(JSON.parse(files['export.json'] ?? '').auth.account[0].email).toBe(email)
  expect(files['export.html']).toContain(email)
  await expect(page.getByText('Downloaded')).toBeVisible()
  expect((await page.request.get(link)).status(), 'it works once').toBe(404)
})

test('an account is erased after a proof, and the page that shows it proves it', async ({ page, browser }) => {
  test.slow()
  const { email } = await buy(page) // an order that was a guest's, and has an invoice to be kept
  const account = await (await browser.newContext()).newPage()
  await register(account, email)
  await signIn(account, email)
  await expectSignedIn(account)
  await account.goto('/account/privacy')
  const ask = account.getByRole('button', { name: 'Erase my account' })
  await ask.click()
  await account.getByRole('button', { name: 'Keep it' }).click()
  await expect(ask).toBeFocused()
  await ask.click()
  await account.getByRole('button', { name: 'Erase everything' }).click()
  await account.getByRole('button', { name: 'Not now' }).click()
  await expect(account.getByRole('alert')).toContainText('Nothing was changed')
  await account.getByRole('button', { name: 'Erase everything' }).click()
  await proveAgain(account)

  await expect(account).toHaveURL(/\/erasure\/[\w-]+$/)
  await expect(account.getByRole('link', { name: 'Sign in', exact: true })).toBeVisible()
  await expect(account.getByText(/^Erased /).first()).toBeVisible()
  await expect(account.getByRole('link', { name: 'Basket, 0 items' }), 'nothing of the account is shown any more').toBeVisible()
  await expectAccessible(account)
  await account.setViewportSize({ width: 320, height: 640 })
  await expectFits(account)
  const status = account.url()

  // Whoever has the link sees it, and it names nobody.
  const anyone = await (await browser.newContext()).newPage()
  await anyone.goto(status)
  await expect(anyone.getByRole('heading', { level: 1, name: /erased/ })).toBeVisible()
  await expect(anyone.getByRole('main')).not.toContainText(email)
  await anyone.goto('/erasure/not-a-link')
  await expect(anyone.getByText('We looked everywhere')).toBeVisible()

  await account.goto('/sign-in')
  await signIn(account, email)
  await expect(account.getByRole('alert')).toHaveText('The e-mail address or the password is wrong.')
})

test('somebody without orders is erased to the end', async ({ page }) => {
  test.slow()
  await signUp(page)
  await page.goto('/account/privacy')
  await page.getByRole('button', { name: 'Erase my account' }).click()
  await page.getByRole('button', { name: 'Erase everything' }).click()
  await proveAgain(page)
  await expect(page.getByRole('heading', { level: 1, name: 'You are being erased' })).toBeVisible()
  await expect(page.getByRole('heading', { level: 1, name: 'You are erased' })).toBeVisible({ timeout: 120_000 })
  await expect(page.getByText(/^Erased /)).toHaveCount(6)
})
