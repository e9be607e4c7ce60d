import { useState } from 'react'

interface Row<T> {
  key: string
  value: T
}

/** Rows of a form that come and go. What is typed stays in their fields, and goes with its row. */
export function useRows<T>(initial: T[]) {
  const [rows, setRows] = useState<Row<T>[]>(() => initial.map(row))
  return {
    rows,
    add: (value: T) => setRows((all) => [...all, row(value)]),
    change: (key: string, value: T) => setRows((all) => all.map((one) => (one.key === key ? { key, value } : one))),
    remove: (key: string) => setRows((all) => all.filter((one) => one.key !== key)),
  }
}

function row<T>(value: T): Row<T> {
  return { key: crypto.randomUUID(), value }
}
