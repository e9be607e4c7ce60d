import { useSuspenseQuery } from '@tanstack/react-query'
import { sentence } from '@/api/client'
import type { Import } from '@/api/types'
import { Badge } from '@/ui/Badge'
import { Button, ButtonAnchor } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Notice } from '@/ui/Notice'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { importQuery, useCancelImport } from './catalogQueries'
import { importWords } from './words'

/** How many wrong lines are shown; all of them are in the file. */
const shown = 100

/** How far an import is, and what is wrong in its file. */
export function ImportPage({ id, mayAct }: { id: string; mayAct: boolean }) {
  const { data } = useSuspenseQuery(importQuery(id))
  const stop = useCancelImport()
  const { file, status, reason, by, startedAt, finishedAt, failed } = data
  const errors = data.errors ?? []
  const goesOn = !finishedAt
  return (
    <div className={styles.page}>
      <title>{`Import ${file} · Back office`}</title>
      <div className={styles.head}>
        <div className={styles.title}>
          <h1>{file || 'Import'}</h1>
          <Badge tone={importWords[status].tone}>{importWords[status].name}</Badge>
        </div>
        {goesOn && mayAct && (
          <Button look="secondary" busy={stop.isPending} onClick={() => stop.mutate(id)}>
            Stop import
          </Button>
        )}
      </div>
      <p className={styles.muted}>
        Started {formatMoment(startedAt)}
        {by && ` by ${by}`}
        {finishedAt && `, ended ${formatMoment(finishedAt)}`}
      </p>
      {stop.error && <Notice tone="danger">{sentence(stop.error)}</Notice>}
      {reason && <Notice tone="danger">{reason}</Notice>}
      <Counts data={data} goesOn={goesOn} />
      {failed > 0 && (
        <section aria-labelledby="wrong" className={styles.section}>
          <div className={styles.head}>
            <h2 id="wrong">Wrong lines</h2>
            <ButtonAnchor look="secondary" href={`/api/v1/admin/imports/${encodeURIComponent(id)}/errors`} download>
              Download all as CSV
            </ButtonAnchor>
          </div>
          <div className={styles.fill}>
            <Table
              caption="Wrong lines"
              rows={errors.slice(0, shown)}
              rowKey={({ line, column, code }) => `${line} ${column ?? ''} ${code}`}
              columns={[
                { title: 'Line', cell: ({ line }) => line },
                { title: 'Column', cell: ({ column }) => column ?? '–' },
                { title: 'What is wrong', cell: ({ detail }) => detail },
              ]}
            />
          </div>
          {errors.length > shown && <p className={styles.muted}>The first {shown} are shown here.</p>}
        </section>
      )}
    </div>
  )
}

function Counts({ data: { total, read, written, unchanged, failed }, goesOn }: { data: Import; goesOn: boolean }) {
  const counts: [string, number][] = [
    ['Read', read],
    ['Written', written],
    ['Unchanged', unchanged],
    ['Wrong', failed],
  ]
  return (
    <section aria-label="Progress" className={styles.panel}>
      {goesOn && <progress aria-label="Lines read" className={styles.bar} {...(total ? { max: total, value: Math.min(read, total) } : {})} />}
      <dl className={styles.counts}>
        {counts.map(([name, count]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{count.toLocaleString()}</dd>
          </div>
        ))}
      </dl>
      <p role="status" className="visually-hidden">
        {goesOn ? '' : `The import has ended: ${written} lines written, ${failed} wrong.`}
      </p>
    </section>
  )
}
