import { expect, test, type Page } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { buy, openBackOffice, refunds, signUp } from './shop'

const parts = ['Orders', 'Returns', 'Stock', 'Disputes', 'Reconciliation', 'Dead letters', 'Coupons']

async function open(staff: Page, part: string) {
  await staff.getByRole('navigation', { name: 'Back office' }).getByRole('link', { name: part }).click()
  await expect(staff.getByRole('heading', { level: 1, name: part })).toBeVisible()
}

test('visitors are asked to sign in, and customers find no back office', async ({ page }) => {
  await page.goto('/admin/orders')
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible()
  await signUp(page)
  await expect(page.getByRole('link', { name: 'Back office' })).toHaveCount(0)
  const asked: string[] = []
  page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  for (const path of ['/admin', '/admin/orders', '/admin/coupons', '/admin/dead-letters', '/admin/orders/0199f2c1-7d1a-7a43-9a55-0c5f5d6b7a10']) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: 'We looked everywhere' })).toBeVisible()
  }
  expect(asked.filter((path) => path.startsWith('/api/v1/admin'))).toEqual([])
  for (const path of ['orders', 'returns', 'coupons', 'dead-letters', 'disputes', 'reports/reconciliation']) {
    expect((await page.request.get(`/api/v1/admin/${path}`)).status(), path).toBe(403)
  }
})

test('the staff finds orders by number, address and state, and the URL tells which', async ({ page, browser }) => {
  const { number, email } = await buy(page)
  const staff = await openBackOffice(browser)
  const table = staff.getByRole('table', { name: 'Orders' })

  await staff.getByLabel('Number or e-mail').fill(email)
  await staff.getByRole('button', { name: 'Filter' }).click()
  await expect(table.getByRole('row')).toHaveCount(2)
  await expect(table.getByRole('row', { name: number })).toContainText('Paid, to ship')
  await staff.getByLabel('State').selectOption('Shipped')
  await staff.getByRole('button', { name: 'Filter' }).click()
  await expect(staff.getByRole('heading', { name: 'No orders found' })).toBeVisible()
  await staff.goBack()
  await expect(table.getByRole('row', { name: number })).toBeVisible()
  await staff.reload()
  await expect(staff.getByLabel('Number or e-mail')).toHaveValue(email)
  await expect(table.getByRole('row')).toHaveCount(2)
  await staff.getByLabel('To', { exact: true }).fill('2020-01-01')
  await staff.getByRole('button', { name: 'Filter' }).click()
  await expect(staff.getByRole('heading', { name: 'No orders found' })).toBeVisible()
  await staff.getByRole('button', { name: 'Show all' }).click()
  await expect(table).toBeVisible()
  await staff.context().close()
})

test('part of the money goes back once, however often it is clicked, and never more than was paid', async ({ page, browser, request }) => {
  const { id } = await buy(page)
  const staff = await openBackOffice(browser)
  await staff.goto(`/admin/orders/${id}`)
  await staff.getByRole('button', { name: 'Refund' }).click()
  const dialog = staff.getByRole('dialog')
  await dialog.getByLabel('Amount').fill('1.234')
  await dialog.getByLabel('Reason').fill('A scratch')
  await dialog.getByRole('button', { name: 'Send the money back' }).click()
  await expect(dialog.getByLabel('Amount')).toHaveAccessibleDescription(/Enter an amount of EUR/)
  await dialog.getByLabel('Amount').fill('99999')
  await dialog.getByRole('button', { name: 'Send the money back' }).click()
  await expect(dialog.getByLabel('Amount')).toHaveAccessibleDescription(/must be at most/)
  await dialog.getByLabel('Amount').fill('1.50')
  await dialog.getByRole('button', { name: 'Send the money back' }).dblclick()
  await expect(dialog).toHaveCount(0)
  await expect.poll(() => refunds(request, id)).toEqual([150])
  await expect(page.getByText('€1.50')).toBeVisible()
  await staff.context().close()
})

test('a note, a cancellation and the whole story of an order', async ({ page, browser }) => {
  const { id } = await buy(page)
  const staff = await openBackOffice(browser)
  await staff.goto(`/admin/orders/${id}`)
  await staff.getByRole('textbox', { name: 'Note' }).fill('The customer called.')
  await staff.getByRole('button', { name: 'Add note' }).click()
  await expect(staff.getByRole('region', { name: 'Notes' }).getByRole('listitem')).toContainText('The customer called.')
  await expect(staff.getByRole('textbox', { name: 'Note' })).toHaveValue('')

  const story = staff.getByRole('region', { name: 'What happened' })
  await expect(story.getByRole('list', { name: 'Who hears order-placed-v1' }).getByRole('listitem').filter({ hasText: 'inventory' })).toContainText('after')
  await expect(story).toContainText('Payment attempt')

  await staff.getByRole('button', { name: 'Cancel order' }).click()
  await staff.getByLabel('Reason').fill('Broken on the shelf')
  await staff.getByRole('dialog').getByRole('button', { name: 'Cancel order' }).click()
  await expect(page.getByRole('heading', { level: 1, name: /^(Cancelled|Refunded)$/ })).toBeVisible()
  await staff.context().close()
})

test('our books and those of the providers agree', async ({ page, browser }) => {
  await buy(page)
  const staff = await openBackOffice(browser)
  await open(staff, 'Reconciliation')
  await expect(staff.getByRole('table', { name: 'Sums' })).toBeVisible()
  await expect(staff.getByRole('row', { name: 'Captured, EUR' })).toBeVisible()
  await staff.context().close()
})

test('a dead letter is replayed, and dropped only after a second word', async ({ browser }) => {
  const staff = await openBackOffice(browser)
  const letter = (id: string) => ({
    service: 'notification', id, topic: `order-paid-v${id}`, subject: '0199f2c1-7d1a-7a43-9a55-0c5f5d6b7a10', error: 'no such template',
    attempts: 12, failedAt: '2026-01-01T12:00:00Z', dead: true, envelope: { id },
  })
  let letters = [letter('1'), letter('2')]
  const sent: string[] = []
  // A fact that no service can take does not exist in a shop that is whole; what the page does with one is played to it.
  await staff.route('**/api/v1/admin/dead-letters', (route) => route.fulfill({ json: { items: letters } }))
  await staff.route('**/api/v1/admin/dead-letters/**', (route) => {
    const { pathname } = new URL(route.request().url())
    sent.push(`${route.request().method()} ${pathname.split('/dead-letters/')[1]}`)
    letters = letters.filter(({ id }) => pathname.split('/')[6] !== id)
    return route.fulfill({ status: 204 })
  })
  await open(staff, 'Dead letters')
  await staff.getByRole('button', { name: 'Replay order-paid-v1 for notification' }).click()
  await expect(staff.getByText('notification has taken it.')).toBeVisible()
  await staff.getByRole('button', { name: 'Drop order-paid-v2 for notification' }).click()
  await staff.keyboard.press('Escape')
  await expect(staff.getByRole('dialog')).toHaveCount(0)
  expect(sent).toEqual(['POST notification/1/replay'])
  await staff.getByRole('button', { name: 'Drop order-paid-v2 for notification' }).click()
  await staff.getByRole('dialog').getByRole('button', { name: 'Drop it for good' }).click()
  await expect(staff.getByRole('heading', { name: 'Every fact was taken' })).toBeVisible()
  expect(sent).toEqual(['POST notification/1/replay', 'DELETE notification/2'])
  await staff.context().close()
})

test('the back office has no serious barrier, and fits a phone of 320 px', async ({ page, browser }) => {
  const { id } = await buy(page)
  const staff = await openBackOffice(browser, { reducedMotion: 'reduce' })
  for (const part of parts) {
    await test.step(part, async () => {
      await open(staff, part)
      await expect(staff.getByText('Loading')).toHaveCount(0)
      await expectAccessible(staff)
    })
  }
  await staff.goto(`/admin/orders/${id}`)
  await expect(staff.getByRole('list', { name: /^Who hears/ }).first()).toBeVisible()
  await expectAccessible(staff)
  await staff.getByRole('button', { name: 'Ship', exact: true }).click()
  await expectAccessible(staff)

  await staff.setViewportSize({ width: 320, height: 640 })
  await expectFits(staff)
  await staff.keyboard.press('Escape')
  await expectFits(staff)
  for (const part of parts) {
    await test.step(part, async () => {
      await open(staff, part)
      await expect(staff.getByText('Loading')).toHaveCount(0)
      await expectFits(staff)
    })
  }
  await staff.goto('/admin/coupons/new')
  await expect(staff.getByLabel('Percentage')).toBeVisible()
  await expectFits(staff)
  await staff.context().close()
})

test('an order is shipped by keyboard alone', async ({ page, browser }) => {
  const { id } = await buy(page)
  const staff = await openBackOffice(browser)
  await staff.goto(`/admin/orders/${id}`)
  const ship = staff.getByRole('button', { name: 'Ship', exact: true })
  await ship.focus()
  await staff.keyboard.press('Enter')
  const dialog = staff.getByRole('dialog')
  await expect(dialog.getByLabel('Carrier')).toBeFocused()
  await staff.keyboard.press('Escape')
  await expect(dialog).toHaveCount(0)
  await expect(ship).toBeFocused()
  await staff.keyboard.press('Enter')
  await staff.keyboard.type('UPS')
  await staff.keyboard.press('Tab')
  await staff.keyboard.type('1Z999AA10123456784')
  await staff.keyboard.press('Enter')
  await expect(staff.getByRole('status').filter({ hasText: /^Shipped$/ })).toBeVisible()
  await staff.context().close()
})
