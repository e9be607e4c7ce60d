import { useId, useState } from 'react'
import styles from './QuantityField.module.css'

interface Props {
  label: string
  value: number
  onChange: (quantity: number) => void
  min?: number
  max?: number
}

/** A number with a minus and a plus. What is typed counts when the field is left or Enter is pressed. */
export function QuantityField({ label, value, onChange, min = 1, max = 99 }: Props) {
  const id = useId()
  const [typed, setTyped] = useState<string | null>(null)

  function commit() {
    const wanted = Number.parseInt(typed ?? '', 10)
    setTyped(null)
    if (Number.isNaN(wanted)) return
    const quantity = Math.min(Math.max(wanted, min), max)
    if (quantity !== value) onChange(quantity)
  }

  return (
    <div role="group" aria-label={label} className={styles.group}>
      <button type="button" aria-label={`One less: ${label}`} disabled={value <= min} onClick={() => onChange(value - 1)}>
        −
      </button>
      <input
        id={id}
        aria-label={label}
        type="text"
        inputMode="numeric"
        autoComplete="off"
        value={typed ?? value}
        onChange={(event) => setTyped(event.target.value.replaceAll(/\D/g, ''))}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit()
          if (event.key === 'ArrowUp' && value < max) onChange(value + 1)
          if (event.key === 'ArrowDown' && value > min) onChange(value - 1)
        }}
      />
      <button type="button" aria-label={`One more: ${label}`} disabled={value >= max} onClick={() => onChange(value + 1)}>
        +
      </button>
    </div>
  )
}
