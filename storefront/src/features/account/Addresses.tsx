import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { changedMeanwhile, sentence } from '@/api/client'
import type { SavedAddress } from '@/api/types'
import { AddressFields, PostalAddress, readAddress } from '@/ui/AddressFields'
import { Button } from '@/ui/Button'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Form } from '@/ui/Form'
import { Message } from '@/ui/Message'
import { useToast } from '@/ui/Toast'
import styles from './Addresses.module.css'
import { Changed, otherErrors } from './Changed'
import { Page } from './Page'
import { addressesQuery, useRemoveAddress, useSaveAddress } from './queries'
import { Actions } from './Section'

/** Where parcels go. */
export function Addresses() {
  const { data: book } = useSuspenseQuery(addressesQuery)
  // The id of the address in the form; '' for a new one.
  const [editing, setEditing] = useState<string | null>(null)
  const remove = useRemoveAddress()
  const toast = useToast()

  function removeAddress({ id, line1 }: SavedAddress) {
    remove.mutate(
      { id, version: book.version },
      {
        onSuccess: () => toast({ text: `Removed: ${line1}` }),
        onError: (error) => toast({ text: changedMeanwhile(error) ? 'Your addresses changed in another window. Please look again.' : sentence(error) }),
      },
    )
  }

  const add = <Button onClick={() => setEditing('')}>Add address</Button>
  return (
    <Page title="Addresses" lead="Checkout fills them in for you. Orders keep their own copy, whatever you change here.">
      {book.value.length === 0 ? (
        <Message title="No address yet" action={add}>
          Add one, and checkout fills it in for you.
        </Message>
      ) : (
        <>
          <ul className={styles.cards}>
            {book.value.map((address) => (
              <li key={address.id} className={styles.card}>
                <PostalAddress value={address} />
                <div className={styles.actions}>
                  <Button look="quiet" aria-label={`Edit ${address.line1}`} onClick={() => setEditing(address.id)}>
                    Edit
                  </Button>
                  <Button look="quiet" aria-label={`Remove ${address.line1}`} busy={remove.isPending && remove.variables.id === address.id} onClick={() => removeAddress(address)}>
                    Remove
                  </Button>
                </div>
              </li>
            ))}
          </ul>
          <Actions>{add}</Actions>
        </>
      )}
      {editing !== null && <AddressDialog address={book.value.find(({ id }) => id === editing)} version={book.version} onClose={() => setEditing(null)} />}
    </Page>
  )
}

interface DialogProps {
  /** The one to change; none for a new one. */
  address: SavedAddress | undefined
  version: string | null
  onClose: () => void
}

function AddressDialog({ address, version, onClose }: DialogProps) {
  const save = useSaveAddress()
  const toast = useToast()
  return (
    <Dialog title={address ? 'Edit address' : 'New address'} onClose={onClose}>
      <Form
        {...otherErrors(save.error)}
        onSubmit={(values) =>
          save.isPending ||
          save.mutate(
            { id: address?.id, address: readAddress(values), version },
            {
              onSuccess: () => {
                onClose()
                toast({ text: 'Address saved' })
              },
            },
          )
        }
      >
        <Changed error={save.error} what="address book" />
        <AddressFields value={address} />
        <DialogActions>
          <Button type="submit" busy={save.isPending}>
            Save address
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}
