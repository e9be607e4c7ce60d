import { createBrowserRouter, replace } from 'react-router'
import { paths } from './paths'
import * as home from './routes/home'
import * as product from './routes/product'
import * as products from './routes/products'
import * as problem from './routes/problem'
import * as root from './routes/root'

/** Every page of the shop. Where visitors arrive is in the first script; the rest is fetched when wanted. */
export const createRouter = () =>
  createBrowserRouter([
    {
      ...root,
      ErrorBoundary: problem.Broken,
      HydrateFallback: () => null,
      children: [
        {
          ErrorBoundary: problem.Problem,
          children: [
            { index: true, ...home },
            { path: 'products', ...products },
            { path: 'products/:slug', ...product },
            { path: 'basket', lazy: () => import('./routes/basket') },
            { path: 'checkout', lazy: () => import('./routes/checkout') },
            { path: 'sign-in', lazy: () => import('./routes/signIn') },
            { path: 'register', lazy: () => import('./routes/register') },
            { path: 'unsubscribe', lazy: () => import('./routes/unsubscribe') },
            { path: 'verify-email', lazy: () => import('./routes/verifyEmail') },
            { path: 'forgot-password', lazy: () => import('./routes/forgotPassword') },
            { path: 'reset-password', lazy: () => import('./routes/resetPassword') },
            { path: 'confirm-email', lazy: () => import('./routes/confirmEmail') },
            { path: 'erasure/:link', lazy: () => import('./routes/erasure') },
            {
              lazy: () => import('./routes/account/layout'),
              children: [
                {
                  ErrorBoundary: problem.Problem,
                  children: [
                    { path: 'account', lazy: () => import('./routes/account/profile') },
                    { path: 'account/addresses', lazy: () => import('./routes/account/addresses') },
                    { path: 'account/security', lazy: () => import('./routes/account/security') },
                    { path: 'account/devices', lazy: () => import('./routes/account/devices') },
                    { path: 'account/preferences', lazy: () => import('./routes/account/preferences') },
                    { path: 'account/wishlist', lazy: () => import('./routes/account/wishlist') },
                    { path: 'account/privacy', lazy: () => import('./routes/account/privacy') },
                    { path: 'orders', lazy: () => import('./routes/orders') },
                  ],
                },
              ],
            },
            { path: 'orders/:id', lazy: () => import('./routes/order') },
            {
              path: 'admin',
              lazy: () => import('./routes/admin/layout'),
              children: [
                {
                  ErrorBoundary: problem.Problem,
                  children: [
                    { index: true, loader: () => replace(paths.admin.orders) },
                    { path: 'orders', lazy: () => import('./routes/admin/orders') },
                    { path: 'orders/:id', lazy: () => import('./routes/admin/order') },
                    { path: 'returns', lazy: () => import('./routes/admin/returns') },
                    { path: 'stock', lazy: () => import('./routes/admin/stock') },
                    { path: 'stock/of/:sku', lazy: () => import('./routes/admin/stockItem') },
                    { path: 'stock/import', lazy: () => import('./routes/admin/stockImport') },
                    { path: 'coupons', lazy: () => import('./routes/admin/coupons') },
                    { path: 'coupons/new', lazy: () => import('./routes/admin/newCoupon') },
                    { path: 'coupons/edit/:code', lazy: () => import('./routes/admin/coupon') },
                    { path: 'products', lazy: () => import('./routes/admin/products') },
                    { path: 'products/new', lazy: () => import('./routes/admin/newProduct') },
                    { path: 'products/:id', lazy: () => import('./routes/admin/product') },
                    { path: 'products/:id/history', lazy: () => import('./routes/admin/productHistory') },
                    { path: 'categories', lazy: () => import('./routes/admin/categories') },
                    { path: 'reviews', lazy: () => import('./routes/admin/reviews') },
                    { path: 'imports', lazy: () => import('./routes/admin/imports') },
                    { path: 'imports/:id', lazy: () => import('./routes/admin/import') },
                    { path: 'audit', lazy: () => import('./routes/admin/audit') },
                    { path: 'dead-letters', lazy: () => import('./routes/admin/deadLetters') },
                    { path: 'disputes', lazy: () => import('./routes/admin/disputes') },
                    { path: 'reconciliation', lazy: () => import('./routes/admin/reconciliation') },
                  ],
                },
              ],
            },
            { path: '*', Component: problem.NotFound },
          ],
        },
      ],
    },
  ])
