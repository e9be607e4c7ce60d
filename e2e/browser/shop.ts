import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, type APIRequestContext, type Browser, type Locator, type Page } from '@playwright/test'

const sandbox = process.env.SANDBOX_URL ?? 'http://localhost:8090'

export const password = 'a teapot in the garden'

/** An address that nobody used before. */
export function newEmail(): string {
  return `shopper-${crypto.randomUUID()}@example.com`
}

interface Mail {
  subject: string
  text: string
}

/** The mails that arrived at an address, newest first. */
export async function mailsTo(request: APIRequestContext, address: string): Promise<Mail[]> {
  const response = await request.get(`${sandbox}/api/mails`, { params: { to: address } })
  expect(response.ok()).toBe(true)
  return (await response.json()) as Mail[]
}

/** Waits for a mail whose text matches, and returns what matched. */
export async function mailed(request: APIRequestContext, address: string, text: RegExp): Promise<string> {
  let found: string | undefined
  await expect(async () => {
    const mails = await mailsTo(request, address)
    found = mails.map((mail) => text.exec(`${mail.subject}\n${mail.text}`)?.[0]).find(Boolean)
    expect(found, `a mail to ${address} with ${text}`).toBeTruthy()
  }).toPass({ timeout: 30_000 })
  return found ?? ''
}

interface LedgerEntry {
  kind: string
  orderId: string
  /** In minor units. */
  amount: number
}

async function ledger(request: APIRequestContext, orderId: string, kind: string): Promise<LedgerEntry[]> {
  const response = await request.get(`${sandbox}/api/ledger`, { params: { orderId } })
  return ((await response.json()) as LedgerEntry[]).filter((entry) => entry.kind === kind && entry.orderId === orderId)
}

/** How often the payment provider took money for an order. */
export async function captures(request: APIRequestContext, orderId: string): Promise<number> {
  return (await ledger(request, orderId, 'capture')).length
}

/** What the payment provider sent back for an order, each in minor units. */
export async function refunds(request: APIRequestContext, orderId: string): Promise<number[]> {
  return (await ledger(request, orderId, 'refund')).map(({ amount }) => Math.abs(amount))
}

/** Opens an account, confirms its address by the mailed link and signs in. */
export async function signUp(page: Page, email = newEmail()): Promise<string> {
  await register(page, email)
  await signIn(page, email)
  await expectSignedIn(page)
  return email
}

/** A browser of its own in which an administrator, or one of the support staff, is signed in. */
export async function openBackOffice(browser: Browser, options: Parameters<Browser['newContext']>[0] = {}, role: 'admin' | 'support' = 'admin'): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage()
  const email = newEmail()
  await register(page, email)
  grant(role, email)
  await signIn(page, email)
  await expectSignedIn(page)
  await page.goto('/admin')
  await expect(page.getByRole('heading', { level: 1, name: 'Orders' })).toBeVisible()
  return page
}

/** Gives a role as an operator does: `make admin EMAIL=`. The shop's API can do no such thing. */
function grant(role: 'admin' | 'support', email: string) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const url = process.env.AUTH_DATABASE_URL ?? /^AUTH_DATABASE_URL=(.*)$/m.exec(execFileSync('.bin/stack', ['env'], { cwd: root, encoding: 'utf8' }))?.[1]
  if (!url) throw new Error('AUTH_DATABASE_URL is not set, and .bin/stack env does not know it')
  execFileSync('.bin/auth', [`grant-${role}`, email], { cwd: root, env: { ...process.env, AUTH_DATABASE_URL: url.replace(/^(['"])(.*)\1$/, '$2') } })
}

/** Opens an account and confirms its address. The page to sign in is open then. */
export async function register(page: Page, email: string) {
  await page.goto('/register')
  await page.getByLabel('Name').fill('Ada Lovelace')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Create account' }).click()
  await expect(page.getByRole('heading', { name: 'Check your mail' })).toBeVisible()

  await page.goto(await mailed(page.request, email, /\/verify-email\?token=[\w-]+/))
  await page.getByRole('button', { name: 'Confirm address' }).click()
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
}

export async function signIn(page: Page, email: string, secret = password) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** That somebody is signed in. */
export async function expectSignedIn(page: Page) {
  await expect(page.getByRole('link', { name: 'Account', exact: true })).toBeVisible()
}

/** Signs in again where the shop asks whether it is still the same person. */
export async function proveAgain(page: Page) {
  const question = page.getByRole('dialog', { name: 'Is it still you?' })
  await question.getByLabel('Password').fill(password)
  await question.getByRole('button', { name: 'Continue' }).click()
}

/** Has the shop say once, to what changes something, that it needs a fresh sign-in, as it does when the last one is ten minutes old. */
export async function askForFreshLogin(page: Page, path: string) {
  const json = { type: 'urn:sidecart:problem:fresh-login-required', title: 'Forbidden', status: 403, code: 'fresh-login-required', detail: 'Please sign in again to do this.' }
  let said = false
  await page.route(`**${path}`, async (route) => {
    if (said || route.request().method() === 'GET') return route.fallback()
    said = true
    await route.fulfill({ status: 403, contentType: 'application/problem+json', json })
  })
}

/** The cards of a product list. */
export function productCards(page: Page): Locator {
  return page.getByRole('main').getByRole('article')
}

/** Puts one piece of something that can be had into the basket, and returns its name. */
export async function fillBasket(page: Page): Promise<string> {
  await page.goto('/products?sort=rating')
  const card = productCards(page).filter({ hasNotText: 'Sold out' }).first()
  const name = await card.getByRole('heading').innerText()
  await card.getByRole('link').click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  await page.getByRole('button', { name: 'Add to basket' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'Added to your basket' })).toBeVisible()
  return name
}

/** Fills the delivery address of the open checkout, and a guest's e-mail address. */
export async function fillCheckout(page: Page, { email, card }: { email?: string; card?: RegExp } = {}) {
  if (email) await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Full name').fill('Ada Lovelace')
  await page.getByLabel('Street and number').fill('Torstraße 1')
  await page.getByLabel('Postal code').fill('10119')
  await page.getByLabel('City').fill('Berlin')
  await page.getByLabel('Country').selectOption('DE')
  if (card) await page.getByRole('radio', { name: card }).check()
  // The total is there when the shop has said what the order costs.
  await expect(payButton(page)).toHaveText(/\d/)
}

export function payButton(page: Page): Locator {
  return page.getByRole('button', { name: /^Pay/ })
}

/** A guest's checkout with something in the basket, filled in and ready to be paid. */
export async function openCheckout(page: Page, options: { email?: string; card?: RegExp } = {}): Promise<string> {
  const email = options.email ?? newEmail()
  await fillBasket(page)
  await page.goto('/checkout')
  await fillCheckout(page, { ...options, email })
  return email
}

/** Waits for the order page and returns the order's id. */
export async function orderId(page: Page): Promise<string> {
  await page.waitForURL(/\/orders\/[\w-]+(\?|$)/)
  return new URL(page.url()).pathname.split('/').at(-1) ?? ''
}

export async function expectPaid(page: Page) {
  await expect(page.getByRole('heading', { level: 1, name: /^Paid/ })).toBeVisible()
}

/** A guest's paid order, on its page. */
export async function buy(page: Page, options: Parameters<typeof openCheckout>[1] = {}): Promise<{ id: string; number: string; email: string }> {
  const email = await openCheckout(page, options)
  await payButton(page).click()
  const id = await orderId(page)
  await expectPaid(page)
  return { id, email, number: await orderNumber(page) }
}

/** Pays what a customer who is signed in has in the basket. */
export async function checkOut(page: Page): Promise<string> {
  await page.goto('/checkout')
  await fillCheckout(page)
  await payButton(page).click()
  const id = await orderId(page)
  await expectPaid(page)
  return id
}

/** The number of the order whose page is open. */
export async function orderNumber(page: Page): Promise<string> {
  await expect(page).toHaveTitle(/^Order /)
  return /Order (\S+)/.exec(await page.title())?.[1] ?? ''
}
