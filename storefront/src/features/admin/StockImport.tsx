import { useState } from 'react'
import { formErrors } from '@/api/client'
import type { StockImport as Report } from '@/api/types'
import { Button } from '@/ui/Button'
import { Field } from '@/ui/Field'
import { Form } from '@/ui/Form'
import { Notice } from '@/ui/Notice'
import { Table } from '@/ui/Table'
import styles from './admin.module.css'
import { useImportStock } from './stockQueries'

/** Sets counts to what was counted, from a file, and says what came of each line. */
export function StockImport() {
  const { mutate, isPending, error, data, reset } = useImportStock()
  const [file, setFile] = useState<File>()
  const [part, setPart] = useState(0)

  function submit() {
    if (!file || isPending) return
    setPart(0)
    mutate({ file, onProgress: setPart })
  }

  return (
    <div className={styles.page}>
      <title>Import a stocktake · Back office</title>
      <h1>Import a stocktake</h1>
      <Form aria-label="Stocktake" className={styles.form} {...formErrors(error)} onSubmit={submit}>
        <p>
          A CSV file with the columns <code>sku</code>, <code>onHand</code> and, if you want, <code>reason</code>. Each line sets a count to what was counted; a wrong line holds up no other, and a SKU that is new comes into
          stock.
        </p>
        <Field
          label="CSV file"
          name="file"
          type="file"
          accept=".csv,text/csv"
          required
          onChange={(event) => {
            reset()
            setFile(event.target.files?.[0])
          }}
          hint="In UTF-8. A long file is sent in parts."
        />
        {isPending && <progress aria-label="Sending the file" max={1} value={part} />}
        <div className={styles.actions}>
          <Button type="submit" busy={isPending}>
            Import
          </Button>
        </div>
      </Form>
      {data && <Outcome report={data} />}
    </div>
  )
}

function Outcome({ report: { read, written, unchanged, failed, errors } }: { report: Report }) {
  return (
    <div className={styles.stack}>
      <div role="status">
        <Notice tone={failed === 0 ? 'good' : 'warn'} title={failed === 0 ? 'Every line was taken' : failed === 1 ? 'One line was not taken' : `${failed.toLocaleString()} lines were not taken`}>
          {read.toLocaleString()} read, {written.toLocaleString()} changed a count, {unchanged.toLocaleString()} were right already.
        </Notice>
      </div>
      {errors.length > 0 && (
        <section aria-labelledby="wrong">
          <h2 id="wrong">Wrong lines</h2>
          <div className={styles.fill}>
            <Table
              caption="Wrong lines"
              rows={errors}
              rowKey={({ line, code }) => `${line} ${code}`}
              columns={[
                { title: 'Line', cell: ({ line }) => line },
                { title: 'Column', cell: ({ column }) => column || '–' },
                { title: 'What is wrong', cell: ({ detail }) => detail },
              ]}
            />
          </div>
          {failed > errors.length && <p className={styles.muted}>The first {errors.length.toLocaleString()} are shown.</p>}
        </section>
      )}
    </div>
  )
}
