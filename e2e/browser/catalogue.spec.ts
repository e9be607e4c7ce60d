import { expect, test, type Page } from '@playwright/test'
import { expectAccessible, expectFits } from './barriers'
import { openBackOffice, productCards } from './shop'

const parts = ['Products', 'Categories', 'Reviews', 'Imports', 'Changes']

async function open(staff: Page, part: string) {
  await staff.getByRole('navigation', { name: 'Back office' }).getByRole('link', { name: part }).click()
  await expect(staff.getByRole('heading', { level: 1, name: part })).toBeVisible()
}

/** A word that nothing in the shop has. */
const newWord = () => `Q${crypto.randomUUID().replaceAll('-', '').slice(0, 10)}`

/** A picture of part of the page: any will do that is another than the next. */
async function picture(page: Page, name: string, width: number) {
  return { name, mimeType: 'image/png', buffer: await page.screenshot({ clip: { x: 0, y: 0, width, height: 300 } }) }
}

/** Fills the form of a new product that has one variant. */
async function fillProduct(staff: Page, word: string) {
  await staff.getByLabel('Name', { exact: true }).fill(`${word} lamp`)
  await staff.getByLabel('Brand').fill('Hearthwick')
  await staff.getByLabel('Category', { exact: true }).selectOption('home')
  await staff.getByRole('group', { name: 'Variant 1' }).getByLabel('SKU').fill(word.toUpperCase())
  await staff.getByRole('group', { name: 'Variant 1' }).getByLabel('Price in EUR').fill('19.90')
}

/** Makes a product that shoppers see, and leaves its page open. */
async function addProduct(staff: Page): Promise<{ word: string; name: string }> {
  const word = newWord()
  await staff.goto('/admin/products/new')
  await fillProduct(staff, word)
  await staff.getByLabel('Add pictures').setInputFiles(await picture(staff, 'one.png', 400))
  await expect(staff.getByRole('list', { name: 'Pictures', exact: true }).getByRole('listitem')).toHaveCount(1)
  await staff.getByLabel('Status').selectOption('Active')
  await staff.getByRole('button', { name: 'Create product' }).click()
  const name = `${word} lamp`
  await expect(staff.getByRole('heading', { level: 1, name })).toBeVisible()
  return { word, name }
}

test('a product is made with pictures and options, and found by shoppers', async ({ page, browser }) => {
  const staff = await openBackOffice(browser)
  const word = newWord()
  await open(staff, 'Products')
  await staff.getByRole('link', { name: 'New product' }).click()
  await staff.getByRole('button', { name: 'Create product' }).click()
  await expect(staff.getByText('Enter your name.')).toBeVisible()
  await fillProduct(staff, word)
  await expect(staff.getByLabel('Address')).toHaveValue(`${word.toLowerCase()}-lamp`)

  await staff.getByLabel('Add pictures').setInputFiles([await picture(staff, 'one.png', 400), await picture(staff, 'two.png', 500), { name: 'fake.png', mimeType: 'image/png', buffer: Buffer.from('no picture at all') }])
  const pictures = staff.getByRole('list', { name: 'Pictures', exact: true })
  await expect(pictures.getByRole('listitem')).toHaveCount(2)
  await expect(staff.getByRole('list', { name: 'Pictures on their way' }).getByRole('alert')).toBeVisible()
  await staff.getByRole('button', { name: 'Forget fake.png' }).click()
  await staff.getByRole('button', { name: 'Move picture 2 forward' }).click()

  for (const option of ['Size', 'Colour']) {
    await staff.getByRole('button', { name: 'Add option' }).click()
    await staff.getByRole('list', { name: 'Options' }).getByRole('textbox').last().fill(option)
  }
  const variants: [sku: string, size: string, colour: string, price: string][] = [['1', 'Small', 'Red', '19.90'], ['2', 'Large', 'Red', '29.90'], ['3', 'Large', 'Blue', '31']]
  for (const [index, [sku, size, colour, price]] of variants.entries()) {
    if (index > 0) await staff.getByRole('button', { name: 'Add variant' }).click()
    const variant = staff.getByRole('group', { name: `Variant ${index + 1}` })
    await variant.getByLabel('SKU').fill(`${word.toUpperCase()}-${sku}`)
    await variant.getByLabel('Size').fill(size)
    await variant.getByLabel('Colour').fill(colour)
    await variant.getByLabel('Price in EUR').fill(price)
  }
  await staff.getByRole('group', { name: 'Variant 3' }).getByLabel('Price in JPY').fill('12.5')
  await staff.getByRole('button', { name: 'Create product' }).click()
  await expect(staff.getByRole('group', { name: 'Variant 3' }).getByLabel('Price in JPY')).toHaveAccessibleDescription(/amount of JPY/)
  await staff.getByRole('group', { name: 'Variant 3' }).getByLabel('Price in JPY').fill('5000')
  await staff.getByRole('button', { name: 'Add attribute' }).click()
  await staff.getByLabel('Name of the attribute').fill('Light')
  await staff.getByLabel('Value').fill('Warm')
  await expectAccessible(staff)
  await staff.getByLabel('Status').selectOption('Active')
  await staff.getByRole('button', { name: 'Create product' }).click()
  await expect(staff.getByRole('heading', { level: 1, name: `${word} lamp` })).toBeVisible()

  await expect(async () => {
    await page.goto(`/products?query=${word}`)
    await expect(productCards(page)).toHaveCount(1, { timeout: 3_000 })
  }).toPass()
  await productCards(page).getByRole('link').click()
  // The shelves under it hold other products, of other tests too.
  const product = page.getByRole('article').filter({ has: page.getByRole('heading', { level: 1 }) })
  const [size, colour] = [product.getByRole('group', { name: 'Size' }), product.getByRole('group', { name: 'Colour' })]
  await size.getByRole('radio', { name: 'Small' }).check()
  await expect(product.getByText('€19.90')).toBeVisible()
  // There is no small blue one: choosing blue leads to the large.
  await colour.getByRole('radio', { name: 'Blue (with another Size)' }).check()
  await expect(size.getByRole('radio', { name: 'Large' })).toBeChecked()
  await expect(product.getByText('€31.00')).toBeVisible()
  await expect(product.getByRole('definition').filter({ hasText: 'Warm' })).toBeVisible()
  const thumbs = product.getByRole('list', { name: 'Pictures' }).getByRole('button')
  await expect(thumbs).toHaveCount(2)
  await thumbs.nth(1).click()
  await expect(thumbs.nth(1)).toHaveAttribute('aria-current', 'true')
  await page.keyboard.press('ArrowRight')
  await expect(thumbs.nth(0)).toHaveAttribute('aria-current', 'true')
  await page.getByRole('button', { name: /^Enlarge/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Next picture' }).click()
  await expect(page.getByRole('dialog').getByText('2 of 2')).toBeVisible()
  await staff.context().close()
})

test('of two who change a product, the second sees what the first did, and loses nothing', async ({ browser }) => {
  const first = await openBackOffice(browser)
  const { name, word } = await addProduct(first)
  const second = await first.context().newPage()
  await second.goto(first.url())
  await expect(second.getByRole('heading', { level: 1, name })).toBeVisible()

  await first.getByLabel('Name', { exact: true }).fill(`${word} lantern`)
  await first.getByLabel('Description').fill('Shines.')
  await first.getByRole('button', { name: 'Save product' }).click()
  await expect(first.getByRole('status').filter({ hasText: 'is saved' })).toBeVisible()

  await second.getByLabel('Name', { exact: true }).fill(`${word} torch`)
  await second.getByLabel('Price in EUR').fill('24.90')
  await second.getByRole('button', { name: 'Save product' }).click()
  const dialog = second.getByRole('dialog', { name: 'Somebody else has changed it' })
  await expect(dialog).toContainText('Ada Lovelace saved this product')
  await expect(dialog.getByRole('row', { name: 'Name (both of you)' })).toContainText(`${word} lantern`)
  await expect(dialog.getByRole('row', { name: 'Description' })).toContainText('Shines.')
  await expectAccessible(second)
  await dialog.getByRole('button', { name: 'Save mine on top' }).click()
  await expect(dialog).toHaveCount(0)
  await expect(second.getByLabel('Name', { exact: true })).toHaveValue(`${word} torch`)
  await expect(second.getByLabel('Description')).toHaveValue('Shines.')
  await expect(second.getByLabel('Price in EUR')).toHaveValue('24.90')

  // The first is the second now, and takes what is there.
  await first.getByLabel('Brand').fill('Nobody')
  await first.getByRole('button', { name: 'Save product' }).click()
  await first.getByRole('dialog').getByRole('button', { name: 'Discard mine, load theirs' }).click()
  await expect(first.getByLabel('Brand')).toHaveValue('Hearthwick')
  await expect(first.getByLabel('Price in EUR')).toHaveValue('24.90')

  await first.getByRole('link', { name: 'History' }).click()
  const changes = first.getByRole('list', { name: 'Changes' }).getByRole('listitem')
  await expect(changes).toHaveCount(3)
  await expect(changes.first()).toContainText(`${word} torch`)
  await expect(changes.last()).toContainText('added')
  await open(first, 'Changes')
  await expect(first.getByRole('link', { name: `${word} torch` }).first()).toBeVisible()
  await first.context().close()
})

test('an archived product leaves the shop and can come back', async ({ page, browser }) => {
  const staff = await openBackOffice(browser)
  const { word, name } = await addProduct(staff)
  const path = `/products/${word.toLowerCase()}-lamp`
  await expect(async () => {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name })).toBeVisible({ timeout: 2_000 })
  }).toPass()
  await staff.getByLabel('Status').selectOption('Archived')
  await staff.getByRole('button', { name: 'Save product' }).click()
  await expect(staff.getByRole('status').filter({ hasText: 'is saved' })).toBeVisible()
  await expect(async () => {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: 'We looked everywhere' })).toBeVisible({ timeout: 2_000 })
  }).toPass()
  await open(staff, 'Products')
  await staff.getByLabel('Name, brand or SKU').fill(word)
  await staff.getByRole('button', { name: 'Filter' }).click()
  await expect(staff.getByRole('table', { name: 'Products' }).getByRole('row', { name })).toContainText('Archived')
  await staff.getByLabel('Status').selectOption('Active')
  await staff.getByRole('button', { name: 'Filter' }).click()
  await expect(staff.getByRole('heading', { name: 'No products found' })).toBeVisible()
  await staff.goBack()
  await expect(staff.getByRole('row', { name })).toBeVisible()
  await staff.context().close()
})

test('a file is imported but for its broken line, which is told by its number', async ({ page, browser }) => {
  const staff = await openBackOffice(browser)
  const word = newWord()
  const line = (number: number, price: string) => `${word.toLowerCase()}-${number},active,${word} ${number},Hearthwick,home,"A lamp, of a kind",teapot.webp,Light: Warm,${word.toUpperCase()}-${number},,${price}`
  const csv = ['slug,status,name,brand,category,description,images,attributes,sku,options,EUR', line(1, '10.00'), line(2, 'dear'), line(3, '12.50')].join('\n')
  const send = async () => {
    await open(staff, 'Imports')
    await staff.getByLabel('CSV file').setInputFiles({ name: `${word}.csv`, mimeType: 'text/csv', buffer: Buffer.from(csv) })
    await staff.getByRole('button', { name: 'Start import' }).click()
    await expect(staff.getByRole('heading', { level: 1, name: `${word}.csv` })).toBeVisible()
  }
  const counts = staff.getByRole('region', { name: 'Progress' })

  await send()
  await expect(counts.getByRole('status')).toHaveText('The import has ended: 2 lines written, 1 wrong.')
  const wrong = staff.getByRole('table', { name: 'Wrong lines' }).getByRole('row').nth(1)
  await expect(wrong).toContainText('3')
  await expect(wrong).toContainText('EUR')
  await expectAccessible(staff)
  const [download] = await Promise.all([staff.waitForEvent('download'), staff.getByRole('link', { name: 'Download all as CSV' }).click()])
  const lines: Buffer[] = []
  for await (const chunk of await download.createReadStream()) lines.push(chunk as Buffer)
  expect(Buffer.concat(lines).toString()).toMatch(/^(﻿)?line,column,code,detail\r?\n3,EUR,/)

  await expect(async () => {
    await page.goto(`/products?query=${word}`)
    await expect(productCards(page)).toHaveCount(2, { timeout: 3_000 })
  }).toPass()

  // The same file again changes nothing.
  await send()
  await expect(counts.getByRole('status')).toHaveText('The import has ended: 0 lines written, 1 wrong.')
  await expect(counts.getByRole('definition').nth(2)).toHaveText('2')

  await open(staff, 'Products')
  const [exported] = await Promise.all([staff.waitForEvent('download'), staff.getByRole('link', { name: 'Export as CSV' }).click()])
  const all: Buffer[] = []
  for await (const chunk of await exported.createReadStream()) all.push(chunk as Buffer)
  expect(Buffer.concat(all).toString()).toContain(`${word} 3`)
  await staff.context().close()
})

test('a category is made within another, moved, and removed while it is empty', async ({ page, browser }) => {
  const staff = await openBackOffice(browser)
  const name = newWord()
  await open(staff, 'Categories')
  await staff.getByRole('button', { name: 'Add within Kitchen' }).click()
  const dialog = staff.getByRole('dialog')
  await expect(dialog.getByLabel('Part of')).toHaveValue('kitchen')
  await dialog.getByLabel('Name', { exact: true }).fill(name)
  await dialog.getByRole('button', { name: 'Add attribute' }).click()
  await dialog.getByLabel('Name of the attribute').fill('Finish')
  await dialog.getByLabel('Kind').selectOption('Choice')
  await dialog.getByRole('button', { name: 'Create category' }).click()
  await expect(dialog.getByText('Enter your choices.')).toBeVisible()
  await dialog.getByLabel('Choices').fill('Matt\nGlossy')
  await expectAccessible(staff)
  await dialog.getByRole('button', { name: 'Create category' }).click()
  const row = staff.getByRole('group', { name, exact: true })
  await expect(row).toContainText('Finish (filter)')

  // A product of it is asked for what the category defines.
  await staff.goto('/admin/products/new')
  await staff.getByLabel('Category', { exact: true }).selectOption(name.toLowerCase())
  await expect(staff.getByLabel('Finish').getByRole('option')).toHaveText(['Not said', 'Matt', 'Glossy'])
  await staff.getByRole('navigation', { name: 'Back office' }).getByRole('link', { name: 'Categories' }).click()
  await dialog.getByRole('button', { name: 'Stay' }).click()
  await expect(staff.getByLabel('Category', { exact: true })).toHaveValue(name.toLowerCase())
  await staff.getByRole('navigation', { name: 'Back office' }).getByRole('link', { name: 'Categories' }).click()
  await dialog.getByRole('button', { name: 'Leave' }).click()
  await expect(staff.getByRole('heading', { level: 1, name: 'Categories' })).toBeVisible()

  await staff.getByRole('button', { name: `Edit ${name}` }).click()
  await expect(dialog.getByLabel('Part of').getByRole('option', { name })).toHaveCount(0)
  await dialog.getByLabel('Part of').selectOption('garden')
  await dialog.getByRole('button', { name: 'Save category' }).click()
  await expect(dialog).toHaveCount(0)
  await staff.getByRole('button', { name: 'Remove Kitchen' }).click()
  await dialog.getByRole('button', { name: 'Remove category' }).click()
  await expect(dialog.getByRole('alert')).toBeVisible()
  await staff.keyboard.press('Escape')
  await staff.getByRole('button', { name: `Remove ${name}` }).click()
  await dialog.getByRole('button', { name: 'Remove category' }).click()
  await expect(row).toHaveCount(0)
  await page.goto(`/products?category=${name.toLowerCase()}`)
  await expect(page.getByRole('heading', { name: 'Nothing found' })).toBeVisible()
  await staff.context().close()
})

test('support reads the catalogue and changes nothing', async ({ browser }) => {
  const staff = await openBackOffice(browser, {}, 'support')
  await open(staff, 'Products')
  await expect(staff.getByRole('link', { name: 'New product' })).toHaveCount(0)
  await staff.getByRole('table', { name: 'Products' }).getByRole('link').first().click()
  await expect(staff.getByLabel('Name', { exact: true })).toBeDisabled()
  await expect(staff.getByRole('button', { name: 'Save product' })).toHaveCount(0)
  await open(staff, 'Categories')
  await expect(staff.getByRole('group', { name: 'Kitchen' })).toBeVisible()
  await expect(staff.getByRole('button', { name: 'Edit Kitchen' })).toHaveCount(0)
  await open(staff, 'Imports')
  await expect(staff.getByLabel('CSV file')).toHaveCount(0)
  await open(staff, 'Reviews')
  await expect(staff.getByRole('button', { name: /^Publish/ })).toHaveCount(0)
  await staff.context().close()
})

test('the catalogue of the back office has no serious barrier, and fits a phone of 320 px', async ({ browser }) => {
  const staff = await openBackOffice(browser, { reducedMotion: 'reduce' })
  await addProduct(staff)
  const product = staff.url()
  await expectAccessible(staff)
  await staff.goto(`${product}/history`)
  await expect(staff.getByRole('list', { name: 'Changes' })).toBeVisible()
  await expectAccessible(staff)
  for (const part of parts) {
    await test.step(part, async () => {
      await open(staff, part)
      await expect(staff.getByText('Loading')).toHaveCount(0)
      await expectAccessible(staff)
    })
  }
  await staff.setViewportSize({ width: 320, height: 640 })
  for (const path of [product, `${product}/history`, '/admin/products/new']) {
    await staff.goto(path)
    await expect(staff.getByRole('heading', { level: 1 })).toBeVisible()
    await expectFits(staff)
  }
  for (const part of parts) {
    await test.step(part, async () => {
      await open(staff, part)
      await expect(staff.getByText('Loading')).toHaveCount(0)
      await expectFits(staff)
    })
  }
  await open(staff, 'Categories')
  await staff.getByRole('button', { name: 'Edit Kitchen' }).click()
  await expectFits(staff)
  await staff.context().close()
})
