import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'react-router'
import type { AuditRow } from '@/api/types'
import { paths } from '@/paths'
import { formatMoment } from '@/ui/dates'
import styles from './admin.module.css'
import { auditQuery, historyQuery } from './catalogQueries'
import { readCursor } from './filter'
import { List, Pages } from './List'

/** Who changed what in the whole catalogue, the last first. */
export function AuditTrail() {
  const [search] = useSearchParams()
  const query = useQuery(auditQuery(readCursor(search)))
  return (
    <>
      <List query={query} empty="Nothing was changed yet" isEmpty={({ items }) => items.length === 0}>
        {({ items }) => <Rows rows={items} />}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}

/** Who changed a product, the last first. */
export function ProductHistory({ id }: { id: string }) {
  const [search] = useSearchParams()
  const query = useQuery(historyQuery(id, readCursor(search)))
  return (
    <>
      <List query={query} empty="Nobody has changed it yet" isEmpty={({ items }) => items.length === 0}>
        {({ items }) => <Rows rows={items} of="product" />}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}

const words: Record<AuditRow['what'], string> = {
  added: 'added',
  changed: 'changed',
  archived: 'archived',
  removed: 'removed',
  imported: 'changed by an import',
  published: 'published',
  rejected: 'rejected',
  withdrawn: 'withdrew',
}

function Rows({ rows, of }: { rows: AuditRow[]; of?: 'product' }) {
  return (
    <ol aria-label="Changes" className={styles.cards}>
      {rows.map((row) => (
        <li key={row.id} className={styles.card}>
          <p>
            <b>{row.by.name}</b> {words[row.what]} {of ? '' : <Subject row={row} />}
            <br />
            <span className={styles.muted}>{formatMoment(row.at)}</span>
          </p>
          <Changes before={row.before} after={row.after} />
        </li>
      ))}
    </ol>
  )
}

function Subject({ row: { kind, ref, name } }: { row: AuditRow }) {
  if (kind === 'product') return <Link to={paths.admin.product(ref)}>{name}</Link>
  return (
    <>
      the {kind} {kind === 'category' ? name : `of ${name}`}
    </>
  )
}

function Changes({ before, after }: Pick<AuditRow, 'before' | 'after'>) {
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  if (fields.length === 0) return null
  const was = fields.some((field) => field in before)
  return (
    <dl className={styles.facts}>
      {fields.map((field) => (
        <div key={field} className={styles.fact}>
          <dt>{field}</dt>
          <dd>
            {was && (
              <>
                <del>{inWords(before[field])}</del> <span className="visually-hidden">became</span>{' '}
              </>
            )}
            {field in after && <ins>{inWords(after[field])}</ins>}
          </dd>
        </div>
      ))}
    </dl>
  )
}

/** A value of any field. What has parts is shown as the API has it. */
function inWords(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–'
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join(', ') || '–'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
