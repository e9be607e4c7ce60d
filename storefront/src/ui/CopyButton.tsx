import { useState } from 'react'
import { Button } from './Button'

/** Puts a text on the clipboard, and says so in its own place: a toast would lie under a dialog. */
export function CopyButton({ text, children }: { text: string; children: string }) {
  const [said, setSaid] = useState('')
  return (
    <>
      <Button
        look="secondary"
        onClick={() => {
          navigator.clipboard.writeText(text).then(
            () => setSaid('Copied'),
            () => setSaid('Your browser does not allow it. Please select and copy it by hand.'),
          )
        }}
      >
        {children}
      </Button>
      <span role="status" className={said ? undefined : 'visually-hidden'}>
        {said}
      </span>
    </>
  )
}
