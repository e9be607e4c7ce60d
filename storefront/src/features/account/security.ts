import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { call } from '@/api/client'
import { useFreshLogin } from './FreshLogin'
import { meQuery } from './queries'
import { makePasskey } from './webauthn'

/** The second factors in use. */
export const factorsQuery = queryOptions({
  queryKey: ['factors'],
  queryFn: ({ signal }) => call('get', '/api/v1/auth/factors', { signal }),
})

export const passkeysQuery = queryOptions({
  queryKey: ['passkeys'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/auth/passkeys', { signal })).items,
})

/** Where the account is signed in. */
export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/auth/sessions', { signal })).items,
})

/** Every other session ends, and this one is replaced. */
export function useChangePassword() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: { currentPassword: string; newPassword: string }) => call('post', '/api/v1/auth/password/change', { body }),
    onSuccess: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  })
}

export function usePrepareApp() {
  const { freshly } = useFreshLogin()
  return useMutation({ mutationFn: () => freshly(() => call('post', '/api/v1/auth/factors/totp')) })
}

/** Takes the app into use. Who works here has their roles by that: the session is renewed with them. */
export function useConfirmApp() {
  const client = useQueryClient()
  const { freshly } = useFreshLogin()
  return useMutation({
    mutationFn: async (code: string) => {
      const answer = await freshly(() => call('post', '/api/v1/auth/factors/totp/confirmation', { body: { code } }))
      if (client.getQueryData(meQuery.queryKey)?.secondFactorRequired) {
        const { user } = await call('post', '/api/v1/auth/refresh')
        client.setQueryData(meQuery.queryKey, user)
      }
      return answer.recoveryCodes
    },
    onSuccess: () => client.invalidateQueries({ queryKey: factorsQuery.queryKey }),
  })
}

export function useRemoveApp() {
  const client = useQueryClient()
  const { freshly } = useFreshLogin()
  return useMutation({
    mutationFn: () => freshly(() => call('delete', '/api/v1/auth/factors/totp')),
    onSuccess: () => client.invalidateQueries({ queryKey: factorsQuery.queryKey }),
  })
}

export function useRenewCodes() {
  const client = useQueryClient()
  const { freshly } = useFreshLogin()
  return useMutation({
    mutationFn: () => freshly(async () => (await call('post', '/api/v1/auth/factors/recovery-codes')).recoveryCodes),
    onSuccess: () => client.invalidateQueries({ queryKey: factorsQuery.queryKey }),
  })
}

export function useAddPasskey() {
  const client = useQueryClient()
  const { freshly } = useFreshLogin()
  return useMutation({
    mutationFn: async (name: string) => {
      const { publicKey } = await freshly(() => call('post', '/api/v1/auth/passkeys/register/begin'))
      const credential = await makePasskey(publicKey)
      return call('post', '/api/v1/auth/passkeys/register/finish', { body: { name, credential } })
    },
    onSuccess: () => client.invalidateQueries({ queryKey: passkeysQuery.queryKey }),
  })
}

export function useRemovePasskey() {
  const client = useQueryClient()
  const { freshly } = useFreshLogin()
  return useMutation({
    mutationFn: (id: string) => freshly(() => call('delete', '/api/v1/auth/passkeys/{id}', { path: { id } })),
    onSuccess: () => client.invalidateQueries({ queryKey: passkeysQuery.queryKey }),
  })
}

export function useEndSession() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => call('delete', '/api/v1/auth/sessions/{id}', { path: { id } }),
    onSettled: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  })
}

export function useEndOtherSessions() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: () => call('delete', '/api/v1/auth/sessions'),
    onSuccess: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  })
}
