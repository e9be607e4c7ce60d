import { Button } from '@/ui/Button'
import { CopyButton } from '@/ui/CopyButton'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Notice } from '@/ui/Notice'
import styles from './RecoveryCodes.module.css'

/** Shows the codes, this once. It is left by saying so: Escape would lose them. */
export function RecoveryCodes({ title, codes, onClose }: { title: string; codes: string[]; onClose: () => void }) {
  return (
    <Dialog title={title} onClose={() => {}}>
      <p>Keep these recovery codes where you keep what you must not lose. Each signs you in once, in place of the app.</p>
      <ol aria-label="Recovery codes" className={styles.codes}>
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <Notice tone="warn">They are shown only now.</Notice>
      <div className={styles.ways}>
        <CopyButton text={codes.join('\n')}>Copy</CopyButton>
        <Button look="secondary" onClick={() => download(codes)}>
          Download
        </Button>
      </div>
      <DialogActions>
        <Button onClick={onClose}>I have kept them</Button>
      </DialogActions>
    </Dialog>
  )
}

function download(codes: string[]) {
  const text = `Recovery codes for ${location.host}\nEach works once.\n\n${codes.join('\n')}\n`
  const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
  const link = document.createElement('a')
  link.href = address
  link.download = 'sidecart-recovery-codes.txt'
  link.click()
  URL.revokeObjectURL(address)
}
