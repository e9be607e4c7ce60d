import type { ReactNode } from 'react'
import styles from './Table.module.css'

interface Column<Row> {
  title: string
  cell: (row: Row) => ReactNode
  /** Numbers line up at their end. */
  end?: boolean
}

interface Props<Row> {
  /** What the rows are, for those who cannot see where the table stands. */
  caption: string
  rows: Row[]
  rowKey: (row: Row) => string
  /** The first column names its row. */
  columns: [Column<Row>, ...Column<Row>[]]
  /** Shown while the next rows are on their way. */
  dim?: boolean
}

/**
 * Rows under headings. On a narrow screen each row becomes a card with the headings beside its cells; the roles are spelled out
 * because a table that is not laid out as one loses them.
 */
export function Table<Row>({ caption, rows, rowKey, columns, dim = false }: Props<Row>) {
  const [first, ...others] = columns
  /* oxlint-disable jsx-a11y/no-redundant-roles, jsx-a11y/no-interactive-element-to-noninteractive-role */
  return (
    <table role="table" className={styles.table} aria-busy={dim}>
      <caption className="visually-hidden">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ title, end }) => (
            <th key={title} role="columnheader" scope="col" className={end ? styles.end : undefined}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={rowKey(row)} role="row">
            <th role="rowheader" scope="row">
              {first.cell(row)}
            </th>
            {others.map(({ title, cell, end }) => (
              <td key={title} role="cell" data-title={title} className={end ? styles.end : undefined}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
