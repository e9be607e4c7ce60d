import { useId, type ComponentProps, type ReactNode } from 'react'
import { useFieldError } from './Form'
import styles from './Field.module.css'

interface Common {
  label: string
  name: string
  hint?: ReactNode
}

/** A labelled text input. Its error comes from the form around it. That it may stay empty goes without saying in a filter: `optional` is false there. */
export function Field({ label, hint, optional, ...input }: Common & { optional?: boolean } & ComponentProps<'input'>) {
  const { id, error, described } = useDescription(input.name, hint)
  return (
    <Frame {...{ id, label, hint, error }} optional={optional ?? !input.required}>
      <input {...input} id={id} aria-invalid={error ? true : undefined} aria-describedby={described} className={styles.input} />
    </Frame>
  )
}

/** A labelled text of several lines. */
export function TextField({ label, hint, ...area }: Common & ComponentProps<'textarea'>) {
  const { id, error, described } = useDescription(area.name, hint)
  return (
    <Frame {...{ id, label, hint, error }} optional={!area.required}>
      <textarea rows={3} {...area} id={id} aria-invalid={error ? true : undefined} aria-describedby={described} className={styles.input} />
    </Frame>
  )
}

/** A labelled choice from a list. */
export function SelectField({ label, hint, children, ...select }: Common & ComponentProps<'select'>) {
  const { id, error, described } = useDescription(select.name, hint)
  return (
    <Frame {...{ id, label, hint, error }}>
      <select {...select} id={id} aria-invalid={error ? true : undefined} aria-describedby={described} className={styles.input}>
        {children}
      </select>
    </Frame>
  )
}

/** A labelled yes or no. */
export function CheckField({ label, ...input }: Omit<Common, 'hint'> & ComponentProps<'input'>) {
  return (
    <label className={styles.check}>
      <input {...input} type="checkbox" />
      {label}
    </label>
  )
}

function useDescription(name: string, hint: ReactNode) {
  const id = useId()
  const error = useFieldError(name)
  const described = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ') || undefined
  return { id, error, described }
}

function Frame(props: { id: string; label: string; hint: ReactNode; error: string | undefined; optional?: boolean; children: ReactNode }) {
  const { id, label, hint, error, optional, children } = props
  return (
    <div className={styles.field}>
      <label htmlFor={id} data-name={label} className={styles.label}>
        {label}
        {optional && <span className={styles.optional}> (optional)</span>}
      </label>
      {children}
      {error && (
        <p id={`${id}-error`} className={styles.error}>
          {/* The shop's words for a refused field go on after its name: "is required". */}
          {/^[a-z]/.test(error) ? `${label} ${error}` : error}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      )}
    </div>
  )
}
