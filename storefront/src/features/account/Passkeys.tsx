import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Passkey } from '@/api/types'
import { Button } from '@/ui/Button'
import { formatDay } from '@/ui/dates'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { KeyIcon } from '@/ui/icons'
import { useToast } from '@/ui/Toast'
import { ConfirmDialog } from './ConfirmDialog'
import { Actions, Row, Rows, Section } from './Section'
import { passkeysQuery, useAddPasskey, useRemovePasskey } from './security'
import { passkeysWork } from './webauthn'
import { formProblem } from './words'

/** What signs the customer in without a password. */
export function Passkeys() {
  const { data: passkeys } = useSuspenseQuery(passkeysQuery)
  const [adding, setAdding] = useState(false)
  const [removing, setRemoving] = useState<Passkey | null>(null)
  return (
    <Section title="Passkeys" about="Sign in with your finger, your face or the PIN of your device. There is nothing to remember and nothing to steal.">
      {passkeys.length > 0 && (
        <Rows>
          {passkeys.map((passkey) => (
            <Row
              key={passkey.id}
              icon={<KeyIcon />}
              title={passkey.name}
              detail={`Added on ${formatDay(passkey.createdAt)}${passkey.lastUsedAt ? `, last used on ${formatDay(passkey.lastUsedAt)}` : ', not used yet'}`}
              action={
                <Button look="secondary" aria-label={`Remove passkey ${passkey.name}`} onClick={() => setRemoving(passkey)}>
                  Remove
                </Button>
              }
            />
          ))}
        </Rows>
      )}
      {passkeysWork ? (
        <Actions>
          <Button look={passkeys.length > 0 ? 'secondary' : 'primary'} onClick={() => setAdding(true)}>
            Add a passkey
          </Button>
        </Actions>
      ) : (
        <p>This browser does not know passkeys.</p>
      )}
      {adding && <AddDialog onClose={() => setAdding(false)} />}
      {removing && <RemoveDialog passkey={removing} onClose={() => setRemoving(null)} />}
    </Section>
  )
}

function AddDialog({ onClose }: { onClose: () => void }) {
  const add = useAddPasskey()
  const toast = useToast()
  return (
    <Dialog title="Add a passkey" onClose={onClose}>
      <p>Your browser asks where to keep it: on this device, in a password manager, or on a security key.</p>
      <Form
        {...formProblem(add.error)}
        onSubmit={({ name = '' }) =>
          add.isPending ||
          add.mutate(name, {
            onSuccess: (made) => {
              onClose()
              toast({ text: `Passkey added: ${made.name}` })
            },
          })
        }
      >
        <Field label="Name" name="name" maxLength={100} autoComplete="off" hint="To tell it from others. Without one it is called after this browser." />
        <DialogActions>
          <Button type="submit" busy={add.isPending}>
            Add
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}

function RemoveDialog({ passkey, onClose }: { passkey: Passkey; onClose: () => void }) {
  const remove = useRemovePasskey()
  const toast = useToast()
  return (
    <ConfirmDialog
      title="Remove this passkey?"
      action="Remove it"
      busy={remove.isPending}
      error={remove.error}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(passkey.id, {
          onSuccess: () => {
            onClose()
            toast({ text: `Passkey removed: ${passkey.name}` })
          },
        })
      }
    >
      <p>
        <strong>{passkey.name}</strong> will not open your account any more. Your device may go on offering it until you delete it there, too.
      </p>
    </ConfirmDialog>
  )
}
