import './ui/base.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { RouterProvider } from 'react-router/dom'
import { onSignInNeeded, queryClient } from '@/api/queryClient'
import { paths } from './paths'
import { createRouter } from './routes'

const router = createRouter()

onSignInNeeded(() => {
  const { pathname, search } = router.state.location
  if (pathname !== paths.signIn()) void router.navigate(paths.signIn(pathname + search))
})

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
