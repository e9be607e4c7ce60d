import { expect, test, type Page } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { mailed, openBackOffice, signUp } from './shop'

/** A SKU that nobody else uses. */
const newSKU = () => `E2E-${crypto.randomUUID().slice(0, 13).toUpperCase()}`

async function bringIn(staff: Page, sku: string, pieces: number) {
  await staff.goto('/admin/stock')
  await staff.getByRole('button', { name: 'New SKU' }).click()
  const dialog = staff.getByRole('dialog')
  await dialog.getByLabel('SKU').fill(sku)
  await dialog.getByLabel('Pieces').fill(String(pieces))
  await dialog.getByRole('button', { name: 'Bring in' }).click()
  await expect(dialog).toHaveCount(0)
}

/** Changes a count as the page does. */
async function adjust(staff: Page, sku: string, change: number) {
  const response = await staff.request.post(`/api/v1/admin/stock/${sku}/adjustments`, {
    headers: { 'Idempotency-Key': crypto.randomUUID() },
    data: { change, reason: 'correction' },
  })
  expect(response.status(), await response.text()).toBe(201)
}

test('customers find no stock, and the API refuses them', async ({ page }) => {
  await signUp(page)
  for (const path of ['/admin/stock', '/admin/stock/import', '/admin/stock/of/KIT-TEAPOT-09']) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: 'We looked everywhere' })).toBeVisible()
  }
  for (const path of ['stock', 'stock/KIT-TEAPOT-09', 'stock/KIT-TEAPOT-09/movements', 'stock/KIT-TEAPOT-09/reservations', 'reports/stock']) {
    expect((await page.request.get(`/api/v1/admin/${path}`)).status(), path).toBe(403)
  }
  const headers = { 'Idempotency-Key': crypto.randomUUID() }
  expect((await page.request.post('/api/v1/admin/stock/KIT-TEAPOT-09/adjustments', { headers, data: { change: 1, reason: 'found' } })).status()).toBe(403)
  expect((await page.request.put('/api/v1/admin/stock/KIT-TEAPOT-09', { data: { threshold: 1 } })).status()).toBe(403)
  expect((await page.request.post('/api/v1/admin/stock/import', { headers: { ...headers, 'Content-Type': 'text/csv' }, data: 'sku,onHand\n' })).status()).toBe(403)
})

test('a new SKU comes in, is adjusted with a reason, and its ledger tells', async ({ browser }) => {
  const staff = await openBackOffice(browser)
  const sku = newSKU()
  await bringIn(staff, sku, 3)
  await staff.getByLabel('Part of a SKU').fill(sku.toLowerCase())
  await staff.getByRole('button', { name: 'Filter' }).click()
  const row = staff.getByRole('table', { name: 'Stock' }).getByRole('row', { name: sku })
  await expect(row).toContainText('Low')
  await expect(staff.getByRole('table', { name: 'Stock' }).getByRole('row')).toHaveCount(2)
  await staff.getByLabel('Only what is low').check()
  await staff.getByRole('button', { name: 'Filter' }).click()
  await expect(staff).toHaveURL(/low=true/)
  await expect(row).toBeVisible()

  await row.getByRole('button', { name: `Adjust ${sku}` }).click()
  const dialog = staff.getByRole('dialog')
  await dialog.getByLabel('Reason').selectOption('Lost')
  await dialog.getByLabel('Pieces').fill('-1')
  await dialog.getByRole('button', { name: 'Adjust' }).click()
  await expect(dialog.getByLabel('Pieces')).toHaveAccessibleDescription(/whole number of pieces/)
  await dialog.getByLabel('Pieces').fill('4')
  await dialog.getByRole('button', { name: 'Adjust' }).click()
  await expect(dialog.getByRole('alert')).toContainText('at most 3 can go')
  await dialog.getByLabel('Pieces').fill('2')
  await dialog.getByLabel('Note').fill('=fell off the shelf')
  await dialog.getByRole('button', { name: 'Adjust' }).dblclick()
  await expect(staff.getByRole('status').filter({ hasText: `there are 1 of ${sku} now` })).toBeVisible()
  await expect(dialog).toHaveCount(0)

  await row.getByRole('link', { name: sku }).click()
  const ledger = staff.getByRole('table', { name: 'Movements' })
  await expect(ledger.getByRole('row')).toHaveCount(3)
  await expect(ledger.getByRole('row').nth(1)).toContainText('−2')
  await expect(ledger.getByRole('row').nth(1)).toContainText('Lost')
  await expect(ledger.getByRole('row').nth(1)).toContainText('=fell off the shelf')
  await expect(ledger.getByRole('row').nth(2)).toContainText('+3')
  await expect(staff.getByRole('region', { name: 'Orders that wait for it' })).toContainText('None')
  await staff.context().close()
})

test('who changes a threshold from an old page is shown the new one', async ({ browser }) => {
  const staff = await openBackOffice(browser)
  const sku = newSKU()
  await bringIn(staff, sku, 30)
  await staff.goto(`/admin/stock/of/${sku}`)
  await staff.getByRole('button', { name: 'Change threshold' }).click()
  const dialog = staff.getByRole('dialog')
  expect((await staff.request.put(`/api/v1/admin/stock/${sku}`, { data: { threshold: 7 } })).status()).toBe(200)
  await dialog.getByLabel('Threshold').fill('40')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(dialog.getByRole('alert')).toContainText('changed elsewhere')
  await expect(dialog).toContainText('It is 7 now.')
  await dialog.getByLabel('Threshold').fill('40')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(dialog).toHaveCount(0)
  await expect(staff.getByText('Low', { exact: true })).toBeVisible()
  await staff.context().close()
})

test('a stocktake is imported, and each wrong line is named', async ({ browser }) => {
  const staff = await openBackOffice(browser)
  const [known, fresh] = [newSKU(), newSKU()]
  await bringIn(staff, known, 3)
  await staff.getByRole('link', { name: 'Import a stocktake' }).click()
  await staff.getByRole('button', { name: 'Import' }).click()
  await expect(staff.getByLabel('CSV file')).toBeFocused()
  const file = (text: string) => staff.getByLabel('CSV file').setInputFiles({ name: 'counted.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })
  await file('what,ever\n1,2\n')
  await staff.getByRole('button', { name: 'Import' }).click()
  await expect(staff.getByRole('alert')).toContainText('The first line must be')

  const text = `sku,onHand,reason\n${known},5,\n${known} x,1,\n${fresh},2,found\n${fresh},many,\n`
  await file(text)
  await staff.getByRole('button', { name: 'Import' }).click()
  await expect(staff.getByRole('status').filter({ hasText: '2 lines were not taken' })).toContainText('4 read, 2 changed a count')
  const wrong = staff.getByRole('table', { name: 'Wrong lines' })
  await expect(wrong.getByRole('row', { name: '3' })).toContainText('SKU')
  await expect(wrong.getByRole('row', { name: '5' })).toContainText('whole number')

  await file(text)
  await staff.getByRole('button', { name: 'Import' }).click()
  await expect(staff.getByText('2 were right already')).toBeVisible()

  const filler = Array.from({ length: 20_000 }, (_, i) => `not a sku ${i},1,\n`).join('')
  await file(`sku,onHand,reason\n${filler}${known},5,\n${known}!,1,\n`)
  await staff.getByRole('button', { name: 'Import' }).click()
  await expect(staff.getByRole('status').filter({ hasText: '20,001 lines were not taken' })).toContainText('20,002 read, 0 changed a count, 1 were right already')
  await staff.goto(`/admin/stock/of/${known}`)
  await expect(staff.getByRole('table', { name: 'Movements' }).getByRole('row', { name: /Counted/ })).toContainText('+2')
  await staff.context().close()
})

test('the stock shows that it is on its way, empty, and not to be had', async ({ browser }) => {
  const staff = await openBackOffice(browser)
  await staff.goto(`/admin/stock?query=${newSKU()}`)
  await expect(staff.getByRole('heading', { name: 'Nothing found' })).toBeVisible()
  let answer = () => {}
  const asked = new Promise<void>((resolve) => (answer = resolve))
  await staff.route('**/api/v1/admin/stock?*', async (route) => {
    await asked
    await route.fulfill({ status: 500, contentType: 'application/problem+json', json: { type: 'urn:sidecart:problem:internal-error', title: 'x', status: 500, code: 'internal-error', detail: 'Something went wrong on our side.' } })
  })
  await staff.getByRole('button', { name: 'Show all' }).click()
  await staff.reload()
  await expect(staff.getByRole('main').getByText('Loading')).toBeAttached()
  answer()
  await expect(staff.getByRole('heading', { name: 'This could not be loaded' })).toBeVisible()
  await staff.unroute('**/api/v1/admin/stock?*')
  await staff.getByRole('button', { name: 'Try again' }).click()
  await expect(staff.getByRole('table', { name: 'Stock' })).toBeVisible()
  await staff.context().close()
})

test('a count is adjusted by keyboard alone, without a barrier and on a phone of 320 px', async ({ browser }) => {
  const staff = await openBackOffice(browser, { reducedMotion: 'reduce' })
  const sku = newSKU()
  await bringIn(staff, sku, 9)
  await staff.goto(`/admin/stock/of/${sku}`)
  await expect(staff.getByRole('table', { name: 'Movements' })).toBeVisible()
  await expectAccessible(staff)
  const opener = staff.getByRole('button', { name: 'Adjust', exact: true })
  await opener.focus()
  await staff.keyboard.press('Enter')
  await expect(staff.getByRole('dialog')).toBeVisible()
  await expectAccessible(staff)
  await staff.keyboard.press('Escape')
  await expect(opener).toBeFocused()
  await staff.keyboard.press('Enter')
  await expect(staff.getByLabel('Reason')).toBeFocused()
  await staff.keyboard.press('Tab')
  await staff.keyboard.type('2')
  await staff.keyboard.press('Enter')
  await expect(staff.getByRole('status').filter({ hasText: `+2: there are 11 of ${sku} now.` })).toBeVisible()

  await staff.setViewportSize({ width: 320, height: 640 })
  await expectFits(staff)
  for (const path of ['/admin/stock', '/admin/stock/import']) {
    await staff.goto(path)
    await expect(staff.getByText('Loading')).toHaveCount(0)
    await expect(staff.getByRole('heading', { level: 1 })).toBeVisible()
    await expectFits(staff)
    await expectAccessible(staff)
  }
  await staff.context().close()
})

test('who wishes for it and wants to know is told once that it is back, and ends that by one press', async ({ page, browser }) => {
  const staff = await openBackOffice(browser)
  const list = await (await page.request.get('/api/v1/products?sort=name&limit=48')).json()
  const product = list.items.findLast((item: { variants: { stock?: number }[]; available: boolean }) => item.available && item.variants.length === 1 && item.variants[0]?.stock === undefined)
  const { sku } = product.variants[0]
  const { available } = await (await staff.request.get(`/api/v1/admin/stock/${sku}`)).json()

  const email = await signUp(page)
  await page.goto(`/products/${product.slug}`)
  await page.getByRole('button', { name: 'Wishlist' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'On your wishlist' })).toBeVisible()
  await page.goto('/account/wishlist')
  await page.getByRole('main').getByRole('link', { name: 'preferences', exact: true }).click()
  const wanted = page.getByRole('checkbox', { name: 'Wishes that are back' })
  await expect(wanted).not.toBeChecked()
  await wanted.check()
  await page.getByRole('button', { name: 'Save preferences' }).click()
  await expect(page.getByText('Preferences saved')).toBeVisible()

  await adjust(staff, sku, -available)
  await adjust(staff, sku, available)
  const link = await mailed(page.request, email, /\/unsubscribe\?token=[\w.-]+/)
  await mailed(page.request, email, /is back in stock/)
  await mailed(page.request, email, new RegExp(`/products/${product.slug}\\?variant=`))

  await page.goto(link)
  await expect(page.getByRole('heading', { level: 1, name: 'No more of these mails?' })).toBeVisible()
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Stop these mails' }).click()
  await page.getByRole('main').getByRole('link', { name: 'Preferences' }).click()
  await expect(wanted).not.toBeChecked()
  await page.goto('/unsubscribe?token=backInStock.0199f2c1-7d1a-7a43-9a55-0c5f5d6b7a10.GUESS')
  await page.getByRole('button', { name: 'Stop these mails' }).click()
  await expect(page.getByRole('alert')).toContainText('does not belong to any mail of ours')
  await staff.context().close()
})
