const name = 'checkout-draft'

/** What was typed into the checkout, so that a look at the basket or a reload does not cost it. Kept for this tab, until the order. */
export function readDraft(): Record<string, string> {
  return JSON.parse(sessionStorage.getItem(name) ?? '{}') as Record<string, string>
}

export function saveDraft(values: Record<string, string>) {
  sessionStorage.setItem(name, JSON.stringify(values))
}

export function forgetDraft() {
  sessionStorage.removeItem(name)
}
