const codes =
  'AT AU BE BG CA CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IT JP LT LU LV MT NL NO NZ PL PT RO SE SI SK US'.split(' ')

/** Where the shop delivers, by ISO 3166-1 code, named in the visitor's language and sorted by that name. */
export function countries(locale?: string): { code: string; name: string }[] {
  const names = new Intl.DisplayNames(locale, { type: 'region' })
  return codes.map((code) => ({ code, name: names.of(code) ?? code })).toSorted((a, b) => a.name.localeCompare(b.name, locale))
}
