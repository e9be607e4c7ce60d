import { useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import type { PrivacyRequest } from '@/api/types'
import { paths } from '@/paths'
import { Badge, type BadgeTone } from '@/ui/Badge'
import { Button, ButtonAnchor } from '@/ui/Button'
import { CopyButton } from '@/ui/CopyButton'
import { formatMoment } from '@/ui/dates'
import { BoxIcon } from '@/ui/icons'
import { Notice } from '@/ui/Notice'
import { ConfirmDialog } from './ConfirmDialog'
import { Page } from './Page'
import styles from './Privacy.module.css'
import { exportLink, exportsQuery, useRequestErasure, useRequestExport } from './privacy'
import { Actions, Row, Rows, Section } from './Section'
import { refusal } from './words'

/** What the shop knows of the customer: a copy of it, and its end. */
export function Privacy({ onErasing }: { onErasing: (link: string) => void }) {
  return (
    <Page
      title="Privacy"
      lead={
        <>
          What we know of you is yours. Have a copy of it, or have it erased. What you agreed to be written is among your <Link to={paths.account.preferences}>preferences</Link>.
        </>
      }
    >
      <Exports />
      <Erasure onErasing={onErasing} />
    </Page>
  )
}

function Exports() {
  const { data: exports } = useSuspenseQuery(exportsQuery)
  const request = useRequestExport()
  return (
    <Section
      title="A copy of your data"
      about="Account, addresses, orders, mails and all else that we hold of you, as a page to read and as JSON for programs. Collecting it takes a moment; the link to it works once, within a day, while you are signed in."
    >
      {request.isError && <Notice tone="danger">{refusal(request.error)}</Notice>}
      <Actions>
        <Button look="secondary" busy={request.isPending} onClick={() => request.mutate()}>
          Ask for a copy
        </Button>
      </Actions>
      {exports.length > 0 && (
        <Rows>
          {exports.map((copy) => (
            <Export key={copy.id} copy={copy} />
          ))}
        </Rows>
      )}
    </Section>
  )
}

const states: Record<PrivacyRequest['status'], { word: string; tone: BadgeTone }> = {
  running: { word: 'Being collected', tone: 'wait' },
  ready: { word: 'Ready', tone: 'good' },
  downloaded: { word: 'Downloaded', tone: 'busy' },
  expired: { word: 'Expired', tone: 'busy' },
  done: { word: 'Done', tone: 'good' },
}

function Export({ copy: { id, status, createdAt, expiresAt, parts } }: { copy: PrivacyRequest }) {
  const client = useQueryClient()
  const link = exportLink(client, id)
  const { word, tone } = states[status]
  return (
    <Row
      icon={<BoxIcon />}
      title={
        <>
          Copy of {formatMoment(createdAt)}
          <span role="status">
            <Badge tone={tone}>{word}</Badge>
          </span>
        </>
      }
      detail={
        status === 'running'
          ? `${parts.filter(({ done }) => done).length} of ${parts.length} parts of the shop have answered`
          : status === 'ready' && expiresAt && (link ? `Until ${formatMoment(expiresAt)}` : 'Its link was shown where it was asked for. If you have lost it, ask for another copy.')
      }
      action={
        status === 'ready' &&
        link && (
          <Actions>
            {/* What was fetched is gone from the shop, which the list says once the browser has it. */}
            <ButtonAnchor href={link} download onClick={() => setTimeout(() => void client.invalidateQueries({ queryKey: exportsQuery.queryKey, exact: true }), 2_000)}>
              Download
            </ButtonAnchor>
            <CopyButton text={new URL(link, location.href).href}>Copy link</CopyButton>
          </Actions>
        )
      }
    />
  )
}

function Erasure({ onErasing }: { onErasing: (link: string) => void }) {
  const [open, setOpen] = useState(false)
  const request = useRequestErasure()
  return (
    <Section title="Erase your account" about="We forget you: account, addresses, wishlist, preferences, mails, and your name in old orders. It cannot be taken back.">
      <Actions>
        <Button look="secondary" className={styles.danger} onClick={() => setOpen(true)}>
          Erase my account
        </Button>
      </Actions>
      {open && (
        <ConfirmDialog
          title="Erase your account for good?"
          action="Erase everything"
          final
          busy={request.isPending}
          error={request.error}
          onClose={() => setOpen(false)}
          onConfirm={() => request.mutate(undefined, { onSuccess: onErasing })}
        >
          <ul className={styles.points}>
            <li>Your account closes at once, and every device is signed out.</li>
            <li>An order under way is finished first; what belongs to it is erased after that.</li>
            <li>Invoices are kept as long as the law asks for, and for nothing else.</li>
            <li>You get a link to a page that says how far it is, and at the end proves it.</li>
          </ul>
          <p>You are asked to sign in once more. After that there is no way back.</p>
        </ConfirmDialog>
      )}
    </Section>
  )
}
