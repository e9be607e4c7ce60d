import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { isTemporary, needsSignIn, ProblemError } from './client'

let askToSignIn = () => {}

/** Says what happens when the API answers that there is no session. Called once, by main. */
export function onSignInNeeded(action: () => void) {
  askToSignIn = action
}

function watch(error: unknown) {
  if (!needsSignIn(error)) return
  queryClient.setQueryData(['me'], null)
  askToSignIn()
}

/** Everything that the shop knows from the server. */
export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: watch }),
  mutationCache: new MutationCache({ onError: watch }),
  defaultOptions: {
    queries: { staleTime: 30_000, retry: (tries, error) => tries < 2 && isTemporary(error), retryDelay },
  },
})

/** Milliseconds before try number `tries + 1`: what the server asked for, else a growing pause. */
export function retryDelay(tries: number, error: unknown): number {
  const asked = error instanceof ProblemError ? error.retryAfter : undefined
  return asked === undefined ? Math.min(400 * 2 ** tries, 5_000) : Math.min(asked, 10) * 1_000
}
