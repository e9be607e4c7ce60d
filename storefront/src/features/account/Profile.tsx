import { useMutation, useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '@/api/client'
import type { User } from '@/api/types'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { useToast } from '@/ui/Toast'
import { Changed, otherErrors } from './Changed'
import { useFreshLogin } from './FreshLogin'
import { Page } from './Page'
import { profileQuery, useChangeProfile } from './queries'
import { Actions, Section } from './Section'
import { formProblem } from './words'

/** Who the customer is to the shop. */
export function Profile({ user }: { user: User }) {
  return (
    <Page title="Your account" lead="What we call you, and how we reach you.">
      <ProfileForm />
      <EmailAddress user={user} />
    </Page>
  )
}

function ProfileForm() {
  const { data: profile } = useSuspenseQuery(profileQuery)
  const change = useChangeProfile()
  const toast = useToast()
  return (
    <Section title="Profile">
      <Form
        {...otherErrors(change.error)}
        onSubmit={({ name = '', phone = '' }) =>
          change.isPending || change.mutate({ version: profile.version, change: { name, phone } }, { onSuccess: () => toast({ text: 'Profile saved' }) })
        }
      >
        <Changed error={change.error} what="profile" />
        <Field label="Name" name="name" autoComplete="name" required maxLength={100} defaultValue={profile.value.name} />
        <Field label="Phone" name="phone" type="tel" autoComplete="tel" maxLength={40} defaultValue={profile.value.phone} hint="For the parcel service, should it not find you." />
        <Button type="submit" busy={change.isPending}>
          Save profile
        </Button>
      </Form>
    </Section>
  )
}

function EmailAddress({ user }: { user: User }) {
  const [open, setOpen] = useState(false)
  return (
    <Section
      title="E-mail address"
      about={
        <>
          You sign in with <strong>{user.email}</strong>, and we write to it.
        </>
      }
    >
      <Actions>
        <Button look="secondary" onClick={() => setOpen(true)}>
          Change address
        </Button>
      </Actions>
      {open && <EmailDialog onClose={() => setOpen(false)} />}
    </Section>
  )
}

function EmailDialog({ onClose }: { onClose: () => void }) {
  const { freshly } = useFreshLogin()
  const change = useMutation({ mutationFn: (email: string) => freshly(() => call('post', '/api/v1/auth/email/change', { body: { email } })) })
  if (change.isSuccess) {
    return (
      <Dialog title="Check your mail" onClose={onClose}>
        <p role="status">
          If <strong>{change.variables}</strong> is free, a link is on its way there. Open it in this browser within 24 hours. Until then nothing changes.
        </p>
        <DialogActions>
          <Button onClick={onClose}>Close</Button>
        </DialogActions>
      </Dialog>
    )
  }
  return (
    <Dialog title="Change your e-mail address" onClose={onClose}>
      <p>We send a link to the new address. When you open it, the account moves there, every device is signed out, and the address of now is told.</p>
      <Form {...formProblem(change.error)} onSubmit={({ email = '' }) => change.isPending || change.mutate(email)}>
        <Field label="New e-mail address" name="email" type="email" autoComplete="email" required maxLength={254} />
        <DialogActions>
          <Button type="submit" busy={change.isPending}>
            Send the link
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
