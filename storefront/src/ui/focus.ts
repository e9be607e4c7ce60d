import { useEffect, useRef } from 'react'

/** Puts the focus on an element when it first appears, after a dialog around it has opened. */
export function useFirstFocus<T extends HTMLElement>(wanted: boolean) {
  const element = useRef<T>(null)
  useEffect(() => {
    if (wanted) element.current?.focus()
  }, [wanted])
  return element
}
