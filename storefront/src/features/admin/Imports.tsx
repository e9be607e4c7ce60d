import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { formErrors } from '@/api/client'
import { paths } from '@/paths'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { formatMoment } from '@/ui/dates'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { importsQuery, useStartImport } from './catalogQueries'
import { readCursor } from './filter'
import { List, Pages } from './List'
import { importWords } from './words'

/** The imports, the latest first, and the way to another. */
export function Imports({ mayAct }: { mayAct: boolean }) {
  const [search] = useSearchParams()
  const query = useQuery(importsQuery(readCursor(search)))
  return (
    <>
      {mayAct && <StartImport />}
      <List query={query} empty="No imports yet" isEmpty={({ items }) => items.length === 0}>
        {({ items }, dim) => (
          <Table
            caption="Imports"
            rows={items}
            rowKey={({ id }) => id}
            dim={dim}
            columns={[
              { title: 'File', cell: ({ id, file }) => <Link to={paths.admin.import(id)}>{file || 'Without a name'}</Link> },
              { title: 'Started', cell: ({ startedAt, by }) => <span>{formatMoment(startedAt)}{by && <><br /><span className={styles.muted}>{by}</span></>}</span> },
              { title: 'State', cell: ({ status }) => <span><Badge tone={importWords[status].tone}>{importWords[status].name}</Badge></span> },
              { title: 'Read', end: true, cell: ({ read }) => read.toLocaleString() },
              { title: 'Written', end: true, cell: ({ written }) => written.toLocaleString() },
              { title: 'Wrong', end: true, cell: ({ failed }) => failed.toLocaleString() },
            ]}
          />
        )}
      </List>
      <Pages next={query.data?.nextCursor} />
    </>
  )
}

function StartImport() {
  const start = useStartImport()
  const navigate = useNavigate()
  const [file, setFile] = useState<File>()
  const [part, setPart] = useState(0)

  function submit() {
    if (!file || start.isPending) return
    setPart(0)
    start.mutate({ file, onProgress: setPart }, { onSuccess: ({ id }) => void navigate(paths.admin.import(id)) })
  }

  return (
    <Form aria-label="Import" className={styles.panel} {...formErrors(start.error)} onSubmit={submit}>
      <Field
        label="CSV file"
        name="file"
        type="file"
        accept=".csv,text/csv"
        required
        onChange={(event) => setFile(event.target.files?.[0])}
        hint="A line is a variant with the fields of its product, as in an export. It adds or changes, and takes nothing away; a wrong line holds up no other."
      />
      {start.isPending && <progress aria-label="Sending the file" max={1} value={part} className={styles.bar} />}
      <div className={styles.actions}>
        <Button type="submit" busy={start.isPending}>
          Start import
        </Button>
      </div>
    </Form>
  )
}
