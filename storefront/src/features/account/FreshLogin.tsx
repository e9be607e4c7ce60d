import { useQuery } from '@tanstack/react-query'
import { createContext, use, useCallback, useMemo, useState, type ReactNode } from 'react'
import { ProblemError } from '@/api/client'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { NotProved } from './proof'
import { meQuery } from './queries'
import { SignInSteps } from './SignInSteps'

interface Fresh {
  /** Does what may need a sign-in of the last minutes: if the shop says so, it asks for one and tries again. */
  freshly: <T>(action: () => Promise<T>) => Promise<T>
  /** Asks for a proof whatever the shop says, before what cannot be taken back. */
  proved: <T>(action: () => Promise<T>) => Promise<T>
}

const Context = createContext<Fresh>({ freshly: (action) => action(), proved: (action) => action() })

/** How the pages of the account do what needs a fresh sign-in. */
export function useFreshLogin() {
  return use(Context)
}

interface Asking {
  done: () => void
  left: (reason: Error) => void
}

/** Stands around pages that may ask their owner to sign in again, which happens in a dialog over the page. */
export function FreshLogin({ children }: { children: ReactNode }) {
  const { data: user } = useQuery(meQuery)
  const [asking, setAsking] = useState<Asking | null>(null)

  const ask = useCallback(() => new Promise<void>((done, left) => setAsking({ done, left })).finally(() => setAsking(null)), [])
  const fresh = useMemo<Fresh>(
    () => ({
      async freshly(action) {
        try {
          return await action()
        } catch (error) {
          if (!(error instanceof ProblemError && error.code === 'fresh-login-required')) throw error
          await ask()
          return action()
        }
      },
      async proved(action) {
        await ask()
        return action()
      },
    }),
    [ask],
  )

  return (
    <Context value={fresh}>
      {children}
      {asking && user && (
        <Dialog title="Is it still you?" onClose={() => asking.left(new NotProved())}>
          <p>You are about to change something that matters, so please sign in once more.</p>
          <SignInSteps
            email={user.email}
            onDone={({ id }) => {
              if (id === user.id) return asking.done()
              asking.left(new NotProved())
              location.reload() // the passkey was another account's, and the page is nobody's now
            }}
          />
          <DialogActions>
            <Button look="quiet" onClick={() => asking.left(new NotProved())}>
              Not now
            </Button>
          </DialogActions>
        </Dialog>
      )}
    </Context>
  )
}
