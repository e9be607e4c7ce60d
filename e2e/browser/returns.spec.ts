import { expect, test, type Page } from '@playwright/test'
import { buy, mailed, openBackOffice, refunds } from './shop'

/** Opens an order's page in the back office by its number. */
async function find(staff: Page, number: string) {
  await staff.goto('/admin/orders')
  await staff.getByLabel('Number or e-mail').fill(number)
  await staff.getByRole('button', { name: 'Filter' }).click()
  await staff.getByRole('link', { name: number, exact: true }).click()
  await expect(staff.getByRole('heading', { level: 1, name: `Order ${number}` })).toBeVisible()
}

async function shipAndDeliver(staff: Page, number: string) {
  await find(staff, number)
  await staff.getByRole('button', { name: 'Ship', exact: true }).click()
  const ship = staff.getByRole('dialog', { name: `Ship order ${number}` })
  await ship.getByLabel('Carrier').fill('DHL')
  await ship.getByLabel('Tracking number').fill('JD014600003RU')
  await ship.getByRole('button', { name: 'Ship' }).click()
  await expect(staff.getByRole('status').filter({ hasText: /^Shipped$/ })).toBeVisible()
  await staff.getByRole('button', { name: 'Mark as delivered' }).click()
  await staff.getByRole('dialog').getByRole('button', { name: 'Yes, delivered' }).click()
  await expect(staff.getByRole('status').filter({ hasText: /^Delivered$/ })).toBeVisible()
}

test('a parcel is shipped and delivered, and comes back for its money', async ({ page, browser, request }) => {
  const { id, number, email } = await buy(page)
  const staff = await openBackOffice(browser)

  await test.step('the staff ships and delivers, and the customer sees it live', async () => {
    await shipAndDeliver(staff, number)
    await expect(page.getByRole('heading', { level: 1, name: 'Delivered' })).toBeVisible()
    await expect(page.getByText('JD014600003RU')).toBeVisible()
    await mailed(request, email, /JD014600003RU/)
  })

  await test.step('the customer asks to send it back', async () => {
    await page.getByRole('button', { name: 'Send something back' }).click()
    const form = page.getByRole('dialog', { name: 'Send something back' })
    await form.getByLabel('Reason').fill('The lid does not fit')
    await form.getByRole('button', { name: 'Ask for the return' }).click()
    await expect(form.getByRole('alert')).toHaveText('Choose what you want to send back.')
    await form.getByRole('combobox').first().selectOption('1')
    await form.getByRole('button', { name: 'Ask for the return' }).click()
    await expect(page.getByRole('region', { name: 'Returns' })).toContainText('Asked for')
  })

  const queued = staff.getByRole('listitem').filter({ has: staff.getByRole('link', { name: `Order ${number}` }) })
  await test.step('the staff approves', async () => {
    await staff.getByRole('navigation', { name: 'Back office' }).getByRole('link', { name: 'Returns' }).click()
    await staff.getByRole('link', { name: 'To decide' }).click()
    await expect(queued).toContainText('The lid does not fit')
    await queued.getByRole('button', { name: 'Approve' }).click()
    await staff.getByRole('dialog').getByRole('button', { name: 'Approve' }).click()
    await expect(queued).toHaveCount(0)
    await expect(page.getByRole('region', { name: 'Returns' })).toContainText('Approved')
  })

  await test.step('the parcel arrives, and the money goes back, once', async () => {
    await staff.getByRole('link', { name: 'Awaiting parcel' }).click()
    await queued.getByRole('button', { name: 'Parcel received' }).click()
    await staff.getByRole('dialog').getByRole('button', { name: /^Received/ }).click()
    await expect(queued).toHaveCount(0)
    await expect(page.getByRole('heading', { level: 1, name: /^(Returned|Refunded)$/ })).toBeVisible()
    await expect(page.getByRole('region', { name: 'Returns' })).toContainText('Refunded')
    expect(await refunds(request, id)).toHaveLength(1)
  })
  await staff.context().close()
})

test('a return that is rejected says why, and nothing goes back', async ({ page, browser, request }) => {
  const { id, number } = await buy(page)
  const staff = await openBackOffice(browser)
  await shipAndDeliver(staff, number)
  await page.getByRole('button', { name: 'Send something back' }).click()
  await page.getByRole('dialog').getByRole('combobox').first().selectOption('1')
  await page.getByLabel('Reason').fill('I do not like it')
  await page.getByRole('button', { name: 'Ask for the return' }).click()
  await expect(page.getByRole('region', { name: 'Returns' })).toContainText('Asked for')

  await find(staff, number)
  await staff.getByRole('button', { name: 'Reject' }).click()
  const reject = staff.getByRole('dialog')
  await reject.getByRole('button', { name: 'Reject' }).click()
  await expect(reject.getByLabel('Note to the customer')).toHaveAccessibleDescription(/Enter your note/)
  await reject.getByLabel('Note to the customer').fill('It was used.')
  await reject.getByRole('button', { name: 'Reject' }).click()
  await expect(page.getByRole('region', { name: 'Returns' })).toContainText('It was used.')
  expect(await refunds(request, id)).toEqual([])
  await staff.context().close()
})
