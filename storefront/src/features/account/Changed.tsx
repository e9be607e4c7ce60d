import { changedMeanwhile, formErrors } from '@/api/client'
import { Notice } from '@/ui/Notice'

/** Says that what is being changed is not any more what was read; what was typed is still there. */
export function Changed({ error, what }: { error: unknown; what: string }) {
  if (!changedMeanwhile(error)) return null
  return (
    <div role="alert">
      <Notice tone="warn" title={`Your ${what} changed in another window`}>
        Nothing was saved. Save again to put what you typed in the place of what is there now, or reload the page to see that first.
      </Notice>
    </div>
  )
}

/** `formErrors` without what `Changed` says. */
export function otherErrors(error: unknown) {
  return changedMeanwhile(error) ? {} : formErrors(error)
}
