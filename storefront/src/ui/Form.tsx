import { createContext, use, useEffect, useRef, useState, type ComponentProps, type SubmitEvent } from 'react'
import { Notice } from './Notice'

const Errors = createContext<Record<string, string>>({})

/** The sentence that stands beside the field of this name, if it was refused. */
export function useFieldError(name: string): string | undefined {
  return use(Errors)[name]
}

interface Props extends Omit<ComponentProps<'form'>, 'onSubmit'> {
  onSubmit: (values: Record<string, string>) => void
  /** What the server refused, by field name. */
  refused?: Record<string, string> | undefined
  /** What went wrong as a whole. */
  problem?: string | undefined
}

/**
 * A form that checks its fields by their HTML constraints, says what is wrong in words beside them, puts the focus on the first
 * one, and shows what the server refused in the same way.
 */
export function Form({ onSubmit, refused = none, problem, children, ...rest }: Props) {
  const form = useRef<HTMLFormElement>(null)
  const [invalid, setInvalid] = useState<Record<string, string>>({})

  useEffect(() => {
    if (Object.keys(refused).length > 0) focusFirst(form.current, refused)
  }, [refused])

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault()
    const found = check(event.currentTarget)
    setInvalid(found)
    if (Object.keys(found).length > 0) return focusFirst(event.currentTarget, found)
    onSubmit(Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()])))
  }

  return (
    <form {...rest} ref={form} noValidate onSubmit={submit}>
      <Errors value={Object.keys(invalid).length > 0 ? invalid : refused}>
        {problem && <Notice tone="danger">{problem}</Notice>}
        {children}
      </Errors>
    </form>
  )
}

const none: Record<string, string> = {}

function check(form: HTMLFormElement): Record<string, string> {
  const found: Record<string, string> = {}
  for (const field of form.elements) {
    if (!isField(field) || field.validity.valid) continue
    found[field.name] ??= sentence(field)
  }
  return found
}

type FormField = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

function isField(element: Element): element is FormField {
  return element instanceof HTMLInputElement || element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement
}

function sentence(field: FormField): string {
  const label = field.labels?.[0]?.dataset.name?.toLowerCase() ?? 'value'
  if (field.validity.valueMissing) return field instanceof HTMLSelectElement || field.type === 'radio' ? `Choose a ${label}.` : `Enter your ${label}.`
  if (field.validity.typeMismatch && field.type === 'email') return 'Enter an address like name@example.com.'
  if (field instanceof HTMLInputElement && field.validity.tooShort) return `Use at least ${field.minLength} characters.`
  return field.validationMessage
}

function focusFirst(form: HTMLFormElement | null, errors: Record<string, string>) {
  const first = [...(form?.elements ?? [])].find((field) => field instanceof HTMLElement && 'name' in field && String(field.name) in errors)
  if (first instanceof HTMLElement) first.focus()
}
