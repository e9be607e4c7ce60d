/** Where signing in should lead back to: a path of this shop, nothing that could lead a visitor away. */
export function cameFrom(search: URLSearchParams): string | undefined {
  const from = search.get('from')
  return from && /^\/(?![/\\])/.test(from) ? from : undefined
}
