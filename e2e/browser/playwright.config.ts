import { existsSync } from 'node:fs'
import { defineConfig, devices } from '@playwright/test'

// The specs whose tests change what every shopper is shown: lists and counts move under whoever reads them meanwhile.
const changing = ['catalogue.spec.ts', 'reviews.spec.ts', 'stock.spec.ts']

// A browser of the system is used, because none can be downloaded everywhere: the one without windows, which takes a third
// of the other's processor time. It refuses its own sandbox to root.
const installed = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium']
const executablePath = process.env.CHROMIUM_PATH ?? installed.find((path) => existsSync(path))
const args = ['--disable-dev-shm-usage', '--disable-gpu', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])]

export default defineConfig({
  testDir: '.',
  projects: [
    { name: 'shopping', testMatch: '*.spec.ts', testIgnore: changing },
    { name: 'changing the shop', testMatch: changing, dependencies: ['shopping'] },
  ],
  fullyParallel: true,
  workers: Number(process.env.WORKERS ?? 2),
  forbidOnly: Boolean(process.env.CI),
  timeout: 120_000,
  expect: { timeout: 30_000 },
  // What failed stands at the end of a long log.
  reporter: process.env.CI ? 'dot' : 'list',
  use: {
    ...devices['Desktop Chrome'],
    baseURL: process.env.BASE_URL ?? 'http://localhost:8080',
    locale: 'en-IE',
    screenshot: 'only-on-failure',
    launchOptions: { executablePath, args },
  },
})
