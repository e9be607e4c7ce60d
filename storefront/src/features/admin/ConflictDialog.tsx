import { useQuery } from '@tanstack/react-query'
import { sentence } from '@/api/client'
import type { StaffProduct } from '@/api/types'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Notice } from '@/ui/Notice'
import { Table } from '@/ui/Table'
import { historyQuery } from './catalogQueries'
import { differences, draftOf, merge, type Product } from './productForm'

interface Props {
  /** As it was when the form was opened. */
  base: Product
  mine: Product
  theirs: StaffProduct
  busy: boolean
  error: unknown
  onMerge: (merged: Product) => void
  onDiscard: () => void
  onClose: () => void
}

/** Shows what somebody else saved while a form was open, and asks what becomes of both. */
export function ConflictDialog({ base, mine, theirs, busy, error, onMerge, onDiscard, onClose }: Props) {
  const { data: history } = useQuery(historyQuery(theirs.id, undefined))
  const last = history?.items[0]
  const rows = differences(base, mine, draftOf(theirs))
  return (
    <Dialog title="Somebody else has changed it" wide onClose={onClose}>
      <p>
        {last ? `${last.by.name} saved this product at ${formatMoment(last.at)}, after you had opened it.` : 'This product was saved after you had opened it.'} Nothing of yours is lost. What you both changed is marked, and
        becomes yours if you save on top.
      </p>
      {rows.length > 0 && (
        <Table
          caption="What they changed"
          rows={rows}
          rowKey={({ field }) => field}
          columns={[
            { title: 'Field', cell: ({ field, both }) => (both ? `${field} (both of you)` : field) },
            { title: 'When you opened it', cell: ({ before }) => before || '–' },
            { title: 'Saved by them', cell: ({ theirs: value }) => value || '–' },
            { title: 'In your form', cell: ({ mine: value }) => value || '–' },
          ]}
        />
      )}
      {Boolean(error) && !busy && <Notice tone="warn">{sentence(error)}</Notice>}
      <DialogActions>
        <Button busy={busy} onClick={() => onMerge(merge(base, mine, draftOf(theirs)))}>
          Save mine on top
        </Button>
        <Button look="secondary" onClick={onDiscard}>
          Discard mine, load theirs
        </Button>
        <Button look="quiet" onClick={onClose}>
          Back to the form
        </Button>
      </DialogActions>
    </Dialog>
  )
}
