import { queryOptions, useMutation, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { call } from '@/api/client'
import { useWish } from '@/api/wish'
import { useFreshLogin } from './FreshLogin'
import { leave } from './queries'

/** How often a process that is under way is looked at. */
const pace = 2_000

/** The copies of their data that the customer asked for. */
export const exportsQuery = queryOptions({
  queryKey: ['exports'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/account/privacy/export', { signal })).items,
  refetchInterval: ({ state }) => (state.data?.some(({ status }) => status === 'running') ? pace : false),
})

/** How far an erasure is, for whoever has the link. */
export const erasureQuery = (link: string) =>
  queryOptions({
    queryKey: ['erasure', link],
    queryFn: ({ signal }) => call('get', '/api/v1/account/privacy/erasure/{link}', { path: { link }, signal }),
    refetchInterval: ({ state }) => (state.data?.status === 'done' ? false : pace),
  })

/** The links of exports are told once; this page remembers them until it is reloaded. */
export function exportLink(client: QueryClient, id: string | undefined): string | undefined {
  return client.getQueryData(['exports', 'link', id])
}

export function useRequestExport() {
  const client = useQueryClient()
  const { freshly } = useFreshLogin()
  const wish = useWish()
  return useMutation({
    mutationFn: () => wish.send((headers) => freshly(() => call('post', '/api/v1/account/privacy/export', { headers }))),
    onSuccess: ({ id, link }) => {
      client.setQueryDefaults(['exports', 'link', id], { gcTime: Infinity })
      client.setQueryData(['exports', 'link', id], link)
      return client.invalidateQueries({ queryKey: exportsQuery.queryKey, exact: true })
    },
  })
}

/** Begins to erase the customer, after a proof of who asks, and answers with the name of the status page. */
export function useRequestErasure() {
  const client = useQueryClient()
  const { proved } = useFreshLogin()
  const wish = useWish()
  return useMutation({
    mutationFn: async () => {
      const { link } = await wish.send((headers) => proved(() => call('post', '/api/v1/account/privacy/erasure', { headers })))
      await call('post', '/api/v1/auth/logout').catch(() => {}) // in a moment there is no such session anyway
      return link?.split('/').at(-1) ?? ''
    },
    onSuccess: () => leave(client),
  })
}
