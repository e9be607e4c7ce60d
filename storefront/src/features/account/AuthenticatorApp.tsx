import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { ProblemError } from '@/api/client'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { CopyButton } from '@/ui/CopyButton'
import { Dialog, DialogActions } from '@/ui/Dialog'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { KeyIcon, PhoneIcon } from '@/ui/icons'
import { Notice } from '@/ui/Notice'
import { useToast } from '@/ui/Toast'
import styles from './AuthenticatorApp.module.css'
import { ConfirmDialog } from './ConfirmDialog'
import { RecoveryCodes } from './RecoveryCodes'
import { Actions, Row, Rows, Section } from './Section'
import { factorsQuery, useConfirmApp, usePrepareApp, useRemoveApp, useRenewCodes } from './security'
import { formProblem, refusal } from './words'

/** The second factor by codes that an app shows, and the codes that stand in for it. */
export function AuthenticatorApp() {
  const { data: factors } = useSuspenseQuery(factorsQuery)
  const [open, setOpen] = useState<'set-up' | 'removal' | 'codes' | null>(null)
  const close = () => setOpen(null)
  return (
    <Section
      title="Authenticator app"
      state={factors.totp ? <Badge tone="good">On</Badge> : <Badge tone="busy">Off</Badge>}
      about="After your password, a code of an app on your phone is asked for: a password that got known opens nothing."
    >
      {factors.totp ? (
        <Rows>
          <Row
            icon={<PhoneIcon />}
            title="App"
            detail="Asked for at every sign-in by password"
            action={
              <Button look="secondary" aria-label="Remove authenticator app" onClick={() => setOpen('removal')}>
                Remove
              </Button>
            }
          />
          <Row
            icon={<KeyIcon />}
            title="Recovery codes"
            detail={`${factors.recoveryCodes} of 10 left, for the day when the app is not at hand`}
            action={
              <Button look="secondary" onClick={() => setOpen('codes')}>
                Get other codes
              </Button>
            }
          />
        </Rows>
      ) : (
        <Actions>
          <Button look="secondary" onClick={() => setOpen('set-up')}>
            Set up an app
          </Button>
        </Actions>
      )}
      {open === 'set-up' && <SetUp onClose={close} />}
      {open === 'removal' && <Removal onClose={close} />}
      {open === 'codes' && <OtherCodes onClose={close} />}
    </Section>
  )
}

function SetUp({ onClose }: { onClose: () => void }) {
  const prepare = usePrepareApp()
  const confirm = useConfirmApp()
  if (confirm.isSuccess) return <RecoveryCodes title="Your app is in use" codes={confirm.data} onClose={onClose} />
  if (!prepare.isSuccess) {
    return (
      <Dialog title="Set up an authenticator app" onClose={onClose}>
        <p>You need an app on your phone that makes one-time codes. Most password managers do, and there are many that do only that.</p>
        {prepare.isError && <Notice tone="danger">{refusal(prepare.error)}</Notice>}
        <DialogActions>
          <Button busy={prepare.isPending} onClick={() => prepare.mutate()}>
            I have one
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </DialogActions>
      </Dialog>
    )
  }
  const { qr, secret } = prepare.data
  const wrong = confirm.error instanceof ProblemError && confirm.error.code === 'wrong-code'
  return (
    <Dialog title="Scan this with your app" onClose={onClose}>
      <div className={styles.scan}>
        <img src={qr} alt="QR code for the authenticator app" width={240} height={240} className={styles.code} />
        <div>
          <p>Or type this key into it:</p>
          <p className={styles.secret}>{groups(secret)}</p>
          <CopyButton text={secret}>Copy key</CopyButton>
        </div>
      </div>
      <Form
        {...(wrong ? { refused: { code: 'This is not the code of now. Is the clock of your phone right?' } } : formProblem(confirm.error))}
        onSubmit={({ code = '' }) => confirm.isPending || confirm.mutate(code)}
      >
        <Field label="Code that the app shows" name="code" inputMode="numeric" autoComplete="one-time-code" required maxLength={10} />
        <DialogActions>
          <Button type="submit" busy={confirm.isPending}>
            Turn on
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  )
}

function Removal({ onClose }: { onClose: () => void }) {
  const remove = useRemoveApp()
  const toast = useToast()
  return (
    <ConfirmDialog
      title="Remove the authenticator app?"
      action="Remove it"
      busy={remove.isPending}
      error={remove.error}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(undefined, {
          onSuccess: () => {
            onClose()
            toast({ text: 'The authenticator app was removed' })
          },
        })
      }
    >
      <p>After that your password alone opens your account. The recovery codes go with the app.</p>
    </ConfirmDialog>
  )
}

function OtherCodes({ onClose }: { onClose: () => void }) {
  const renew = useRenewCodes()
  if (renew.isSuccess) return <RecoveryCodes title="Your new recovery codes" codes={renew.data} onClose={onClose} />
  return (
    <ConfirmDialog title="Get other recovery codes?" action="Get other codes" busy={renew.isPending} error={renew.error} onClose={onClose} onConfirm={() => renew.mutate()}>
      <p>The ones that you have now work no more.</p>
    </ConfirmDialog>
  )
}

/** In fours, as people read it out. */
function groups(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(' ') ?? secret
}
