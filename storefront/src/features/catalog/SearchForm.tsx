import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useId, useState, type KeyboardEvent, type ReactNode } from 'react'
import { useNavigate } from 'react-router'
import { sized } from '@/api/images'
import { paths } from '@/paths'
import { SearchIcon } from '@/ui/icons'
import { Picture } from '@/ui/Picture'
import { suggestionsQuery } from './queries'
import styles from './SearchForm.module.css'

/** Milliseconds without a keystroke after which suggestions are asked for. */
const pause = 150

interface Option {
  id: string
  to: string
  words: string
}

/**
 * The search field of the page head: a combobox (ARIA 1.2) whose list suggests searches, categories and products while somebody
 * types. The focus stays in the field; arrows mark an option, Enter follows it, Escape closes the list. `initial` is what the page
 * shows results for.
 */
export function SearchForm({ initial }: { initial: string }) {
  const id = useId()
  const navigate = useNavigate()
  const [typed, setTyped] = useState(initial)
  const [open, setOpen] = useState(false)
  const [marked, setMarked] = useState<string>()
  const asked = useSettled(typed.trim())
  const { data } = useQuery({ ...suggestionsQuery(asked), enabled: open && asked.length > 1, placeholderData: keepPreviousData })

  const wanted = typed.trim().length > 1 ? data : undefined
  const option = (kind: string, name: string, to: string, words: string): Option => ({ id: `${id}-${kind}-${name}`, to, words })
  const queries = wanted?.queries.map(({ text }) => option('query', text, paths.products({ query: text }), text)) ?? []
  const categories = wanted?.categories.map(({ slug, name }) => option('category', slug, paths.products({ category: slug }), name)) ?? []
  const products = wanted?.items.map(({ slug, name }) => option('product', slug, paths.product(slug), name)) ?? []
  const options = [...queries, ...categories, ...products]
  const shown = open && options.length > 0
  const active = shown ? options.find((one) => one.id === marked) : undefined

  function close() {
    setOpen(false)
    setMarked(undefined)
  }

  function go(to: string) {
    close()
    void navigate(to)
  }

  function press(event: KeyboardEvent) {
    const at = options.findIndex((one) => one.id === active?.id)
    // One place stands for the field itself, between the last option and the first.
    const move = (step: number) => {
      event.preventDefault()
      setOpen(true)
      const places = options.length + 1
      setMarked(options[(at + 1 + step + places) % places - 1]?.id)
    }
    switch (event.key) {
      case 'ArrowDown':
        return event.altKey ? setOpen(true) : move(1)
      case 'ArrowUp':
        return event.altKey ? close() : move(-1)
      case 'Escape':
        if (!shown) return
        event.preventDefault()
        return close()
      case 'Enter':
        if (!active) return
        event.preventDefault()
        return go(active.to)
    }
  }

  const show = ({ id: optionId, to }: Option, content: ReactNode) => (
    // The keyboard reaches an option through the field, which holds the focus.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <div key={optionId} id={optionId} role="option" tabIndex={-1} aria-selected={optionId === active?.id} onClick={() => go(to)}>
      {content}
    </div>
  )

  return (
    <search>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          go(paths.products({ query: typed.trim() }))
        }}
      >
        <input
          type="search"
          name="query"
          role="combobox"
          aria-label="Search products"
          aria-autocomplete="list"
          aria-expanded={shown}
          aria-controls={`${id}-list`}
          aria-activedescendant={active?.id}
          placeholder="Search products"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          enterKeyHint="search"
          maxLength={100}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value)
            setOpen(true)
            setMarked(undefined)
          }}
          onFocus={() => setOpen(true)}
          onBlur={close}
          onKeyDown={press}
        />
        <button type="submit" aria-label="Search">
          <SearchIcon />
        </button>
        {/* A press must not take the focus out of the field, which would close the list before the click. */}
        <div id={`${id}-list`} role="listbox" aria-label="Suggestions" hidden={!shown} className={styles.list} onPointerDown={(event) => event.preventDefault()}>
          {queries.length > 0 && (
            <div role="group" aria-label="Searches">
              {queries.map((one) =>
                show(
                  one,
                  <>
                    <SearchIcon />
                    <Completed words={one.words} typed={typed.trim()} />
                  </>,
                ),
              )}
            </div>
          )}
          {categories.length > 0 && (
            <div role="group" aria-label="Categories">
              {categories.map((one) =>
                show(
                  one,
                  <>
                    <span className={styles.kind}>Category</span> {one.words}
                  </>,
                ),
              )}
            </div>
          )}
          {products.length > 0 && (
            <div role="group" aria-label="Products">
              {products.map((one, index) =>
                show(
                  one,
                  <>
                    <Picture {...sized(wanted?.items[index]?.image)} tint={wanted?.items[index]?.slug} size="small" eager />
                    {one.words}
                  </>,
                ),
              )}
            </div>
          )}
        </div>
        <p role="status" className="visually-hidden">
          {shown && `${options.length} ${options.length === 1 ? 'suggestion' : 'suggestions'}. Use the arrow keys.`}
        </p>
      </form>
    </search>
  )
}

/** A suggested search, with what it adds to the typed words in bold. */
function Completed({ words, typed }: { words: string; typed: string }) {
  return words.toLowerCase().startsWith(typed.toLowerCase()) ? (
    <span>
      {words.slice(0, typed.length)}
      <b>{words.slice(typed.length)}</b>
    </span>
  ) : (
    <b>{words}</b>
  )
}

/** The value once it has stood still for a moment. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), pause)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
