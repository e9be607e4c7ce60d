import { useEffect, useState } from 'react'
import { ProblemError } from '@/api/client'
import type { User } from '@/api/types'
import { Button } from '@/ui/Button'
import { Field } from '@/ui/Field'
import { useFirstFocus } from '@/ui/focus'
import { Form } from '@/ui/Form'
import { useSignIn, useSignInCode, useSignInPasskey } from './queries'
import styles from './SignInSteps.module.css'
import { passkeysFillIn, passkeysWork } from './webauthn'
import { refusal } from './words'

interface Props {
  /** Who has to prove it; without, anybody may. */
  email?: string
  onDone: (user: User) => void
}

/** Proves who somebody is: by password and, where the account asks for one, a code; or by a passkey. */
export function SignInSteps({ email, onDone }: Props) {
  const [step, setStep] = useState<'password' | 'code'>('password')
  const signIn = useSignIn()
  const passkey = useSignInPasskey()
  const password = useFirstFocus<HTMLInputElement>(email !== undefined)
  if (step === 'code') {
    return (
      <CodeStep
        onDone={onDone}
        onBack={() => {
          signIn.reset()
          setStep('password')
        }}
      />
    )
  }
  return (
    <div className={styles.steps}>
      <Form
        problem={signIn.error ? refusal(signIn.error) : undefined}
        onSubmit={({ email: typed = '', password: secret = '' }) => {
          if (signIn.isPending) return
          passkey.reset()
          signIn.mutate({ email: typed, password: secret }, { onSuccess: (answer) => ('user' in answer ? onDone(answer.user) : setStep('code')) })
        }}
      >
        <Field label="E-mail" name="email" type="email" autoComplete="username webauthn" required readOnly={email !== undefined} defaultValue={email} />
        <Field label="Password" name="password" type="password" autoComplete="current-password" required ref={password} />
        <Button type="submit" size="large" busy={signIn.isPending}>
          {email === undefined ? 'Sign in' : 'Continue'}
        </Button>
      </Form>
      {passkeysWork && (
        <PasskeyStep
          passkey={passkey}
          fillIn={email === undefined}
          onStart={() => signIn.reset()}
          onDone={onDone}
        />
      )}
    </div>
  )
}

interface PasskeyStepProps {
  passkey: ReturnType<typeof useSignInPasskey>
  /** Whether the e-mail field offers passkeys, too. */
  fillIn: boolean
  onStart: () => void
  onDone: (user: User) => void
}

function PasskeyStep({ passkey, fillIn, onStart, onDone }: PasskeyStepProps) {
  const [asked, setAsked] = useState(false)
  usePasskeysInField(fillIn && !asked, onDone)
  return (
    <>
      <p className={styles.or} aria-hidden>
        or
      </p>
      <Form
        problem={passkey.error ? (passkey.error instanceof ProblemError ? passkey.error.message : refusal(passkey.error)) : undefined}
        onSubmit={() => {
          if (passkey.isPending) return
          setAsked(true)
          onStart()
          passkey.mutate({}, { onSuccess: ({ user }) => onDone(user), onError: () => setAsked(false) })
        }}
      >
        <Button type="submit" look="secondary" size="large" busy={passkey.isPending}>
          Use a passkey
        </Button>
      </Form>
    </>
  )
}

/** Within the five minutes for which the shop remembers what it asked. */
const askAnew = 240_000

/** Has the browser offer passkeys in the e-mail field while `wanted`. It asks quietly: where it does not work nobody misses it. */
function usePasskeysInField(wanted: boolean, onDone: (user: User) => void) {
  const { mutate } = useSignInPasskey()
  useEffect(() => {
    if (!wanted) return
    let asked = new AbortController()
    let timer: ReturnType<typeof setInterval> | undefined
    const offer = () => {
      asked.abort()
      asked = new AbortController()
      mutate({ mediation: 'conditional', signal: asked.signal }, { onSuccess: ({ user }) => onDone(user) })
    }
    let left = false
    void passkeysFillIn().then((works) => {
      if (!works || left) return
      offer()
      timer = setInterval(offer, askAnew)
    })
    return () => {
      left = true
      clearInterval(timer)
      asked.abort()
    }
    // What happens after is the newest wish of the page, and no reason to ask the browser anew.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [wanted, mutate])
}

function CodeStep({ onDone, onBack }: { onDone: (user: User) => void; onBack: () => void }) {
  const [recovery, setRecovery] = useState(false)
  const code = useSignInCode()
  const over = code.error instanceof ProblemError && code.error.code === 'challenge-expired'
  return (
    <div className={styles.steps}>
      <p role="status">{recovery ? 'Enter one of the recovery codes that you kept. It works once.' : 'One more step: the code that your authenticator app shows.'}</p>
      <Form
        key={recovery ? 'recovery' : 'app'}
        {...(code.error && !over ? { refused: { code: refusal(code.error) } } : { problem: over ? refusal(code.error) : undefined })}
        onSubmit={({ code: typed = '' }) => code.isPending || code.mutate(typed, { onSuccess: ({ user }) => onDone(user) })}
      >
        {recovery ? (
          <Field label="Recovery code" name="code" autoComplete="off" autoCapitalize="none" spellCheck={false} required maxLength={30} ref={focus} />
        ) : (
          <Field label="Code" name="code" inputMode="numeric" autoComplete="one-time-code" required maxLength={10} ref={focus} />
        )}
        <Button type="submit" size="large" busy={code.isPending}>
          Continue
        </Button>
      </Form>
      <div className={styles.ways}>
        <Button
          look="quiet"
          onClick={() => {
            code.reset()
            setRecovery(!recovery)
          }}
        >
          {recovery ? 'Use the app instead' : 'Use a recovery code'}
        </Button>
        <Button look="quiet" onClick={onBack}>
          Start again
        </Button>
      </div>
    </div>
  )
}

/** Puts the cursor where the next thing is to be typed. */
const focus = (input: HTMLInputElement | null) => input?.focus()
