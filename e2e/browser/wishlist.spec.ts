import { expect, test } from '@playwright/test'
import { productCards, signIn, signUp } from './shop'

test('a heart keeps something on the wishlist, from where it is bought or removed', async ({ page }) => {
  await signUp(page)
  await page.goto('/account/wishlist')
  await expect(page.getByRole('heading', { name: 'Nothing wished for yet' })).toBeVisible()
  await page.getByRole('link', { name: 'Look around' }).click()
  await productCards(page).filter({ hasNotText: 'Sold out' }).first().getByRole('link').click()
  const heart = page.getByRole('button', { name: 'Wishlist' })
  await expect(heart).toHaveAttribute('aria-pressed', 'false')
  await heart.click()
  await expect(page.getByRole('status').filter({ hasText: 'On your wishlist' })).toBeVisible()
  await page.reload()
  await expect(heart).toHaveAttribute('aria-pressed', 'true')

  await page.getByRole('navigation', { name: 'Breadcrumbs' }).waitFor()
  await page.goto('/account/wishlist')
  const wish = page.getByRole('main').getByRole('listitem').filter({ has: page.getByRole('button', { name: /^Remove / }) })
  await expect(wish).toHaveCount(1)
  await wish.getByRole('button', { name: /^Add to basket/ }).click()
  await expect(page.getByRole('link', { name: /^Basket/ })).toHaveAccessibleName('Basket, 1 item')
  await wish.getByRole('button', { name: /^Remove / }).click()
  await expect(page.getByRole('heading', { name: 'Nothing wished for yet' })).toBeVisible()
})

test('a visitor is led to sign in, and back to what they liked', async ({ page }) => {
  const email = await signUp(page)
  await page.goto('/account')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByRole('link', { name: 'Sign in', exact: true })).toBeVisible()
  await page.goto('/products')
  await productCards(page).first().getByRole('link').click()
  await page.getByRole('button', { name: 'Wishlist' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible()
  await signIn(page, email)
  await page.getByRole('button', { name: 'Wishlist' }).click()
  await expect(page.getByRole('button', { name: 'Wishlist' })).toHaveAttribute('aria-pressed', 'true')
})
