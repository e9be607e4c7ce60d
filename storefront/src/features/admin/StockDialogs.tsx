import { useState } from 'react'
import type { StockItem } from '@/api/types'
import { Field, SelectField } from '@/ui/Field'
import { useToast } from '@/ui/Toast'
import { ActionDialog } from './ActionDialog'
import { adjustments, readAdjustment, readPieces, signed } from './stock'
import { useAdjust, useWatch } from './stockQueries'

/** Changes the count of a SKU, or brings a new one into stock. */
export function AdjustDialog({ item, onClose }: { item?: StockItem; onClose: () => void }) {
  const { mutate, isPending, error } = useAdjust()
  const [refused, setRefused] = useState<Record<string, string>>()
  const toast = useToast()

  function submit({ sku: typed = '', choice = 'received', pieces, note = '' }: Record<string, string>) {
    const asked = readAdjustment(choice, pieces)
    if (!asked) return setRefused({ pieces: 'Enter a whole number of pieces, 1 or more.' })
    setRefused(undefined)
    const sku = item?.sku ?? typed
    mutate(
      { sku, note, ...asked },
      {
        onSuccess: ({ onHand }) => {
          toast({ text: `${signed(asked.change)}: there are ${onHand} of ${sku} now.` })
          onClose()
        },
      },
    )
  }

  return (
    <ActionDialog title={item ? `Adjust ${item.sku}` : 'Bring in a new SKU'} action={item ? 'Adjust' : 'Bring in'} busy={isPending} error={error} refused={refused} onSubmit={submit} onClose={onClose}>
      {item ? (
        <>
          <p>
            There are {item.onHand} in the house; {item.reserved} of them are held for orders and cannot go.
          </p>
          <SelectField label="Reason" name="choice" defaultValue="received">
            {Object.entries(adjustments).map(([choice, { name }]) => (
              <option key={choice} value={choice}>
                {name}
              </option>
            ))}
          </SelectField>
        </>
      ) : (
        <Field label="SKU" name="sku" required maxLength={64} pattern="[A-Za-z0-9._\-]+" autoComplete="off" hint="As in the catalogue: letters, digits, dots, dashes and underscores." />
      )}
      <Field label="Pieces" name="pieces" required inputMode="numeric" maxLength={9} autoComplete="off" />
      <Field label="Note" name="note" maxLength={500} autoComplete="off" hint="For the ledger: a delivery note, what happened." />
    </ActionDialog>
  )
}

/** Sets at how few free pieces a SKU is low. */
export function ThresholdDialog({ item, onClose }: { item: StockItem; onClose: () => void }) {
  const { mutate, isPending, error } = useWatch(item)
  const [refused, setRefused] = useState<Record<string, string>>()
  const toast = useToast()

  function submit({ threshold: typed }: Record<string, string>) {
    const threshold = readPieces(typed)
    if (threshold === undefined) return setRefused({ threshold: 'Enter a whole number of pieces, or 0.' })
    setRefused(undefined)
    mutate(threshold, {
      onSuccess: () => {
        toast({ text: `${item.sku} is low at ${threshold}.` })
        onClose()
      },
    })
  }

  return (
    <ActionDialog title={`When is ${item.sku} low?`} action="Save" busy={isPending} error={error} refused={refused} onSubmit={submit} onClose={onClose}>
      <p>The operators get a mail when no more free pieces than this are left. It is {item.threshold} now.</p>
      <Field key={item.version} label="Threshold" name="threshold" required inputMode="numeric" maxLength={9} autoComplete="off" defaultValue={item.threshold} />
    </ActionDialog>
  )
}
