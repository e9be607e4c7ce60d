import { useState } from 'react'
import { ProblemError } from '@/api/client'
import type { User } from '@/api/types'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { Notice } from '@/ui/Notice'
import { useToast } from '@/ui/Toast'
import { AuthenticatorApp } from './AuthenticatorApp'
import { NewPasswordField } from './NewPasswordField'
import { Page } from './Page'
import { Passkeys } from './Passkeys'
import { Actions, Section } from './Section'
import { useChangePassword } from './security'
import { formProblem } from './words'

/** How the customer signs in, and what stands in the way of others. */
export function Security({ user }: { user: User }) {
  return (
    <Page title="Security" lead="How you sign in, and what keeps others out.">
      {user.secondFactorRequired && (
        <Notice tone="warn" title="You work here: add a second factor">
          Until your account has one, you see the shop as customers do. An authenticator app works at once, a passkey when you sign in with it.
        </Notice>
      )}
      <Passkeys />
      <AuthenticatorApp />
      <Password />
    </Page>
  )
}

function Password() {
  const [open, setOpen] = useState(false)
  return (
    <Section title="Password" about="One that you use nowhere else. When you change it, every other device is signed out.">
      <Actions>
        <Button look="secondary" onClick={() => setOpen(true)}>
          Change password
        </Button>
      </Actions>
      {open && <PasswordDialog onClose={() => setOpen(false)} />}
    </Section>
  )
}

function PasswordDialog({ onClose }: { onClose: () => void }) {
  const change = useChangePassword()
  const toast = useToast()
  const { error } = change
  return (
    <Dialog title="Change your password" onClose={onClose}>
      <Form
        {...(error instanceof ProblemError && error.code === 'wrong-password' ? { refused: { currentPassword: error.message } } : formProblem(error))}
        onSubmit={({ currentPassword = '', password = '' }) =>
          change.isPending ||
          change.mutate(
            { currentPassword, newPassword: password },
            {
              onSuccess: () => {
                onClose()
                toast({ text: 'Password changed. Every other device was signed out.' })
              },
            },
          )
        }
      >
        <Field label="Present password" name="currentPassword" type="password" autoComplete="current-password" required />
        <NewPasswordField label="New password" />
        <DialogActions>
          <Button type="submit" busy={change.isPending}>
            Change password
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
