import { queryOptions, useMutation, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { call, callVersioned, changedMeanwhile, ifMatch, needsSignIn, type Versioned } from '@/api/client'
import { chooseCurrency, currencies } from '@/api/currency'
import type { components } from '@/api/schema.gen'
import type { Address, Preferences, Profile, SavedAddress, User } from '@/api/types'
import { askForPasskey } from './webauthn'

/** Who is signed in; null for a visitor. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }): Promise<User | null> => {
    try {
      return await call('get', '/api/v1/auth/me', { signal })
    } catch (error) {
      if (needsSignIn(error)) return null
      throw error
    }
  },
  staleTime: 300_000,
})

export const profileQuery = queryOptions({
  queryKey: ['profile'],
  queryFn: ({ signal }) => callVersioned('get', '/api/v1/account/profile', { signal }),
})

export const preferencesQuery = queryOptions({
  queryKey: ['preferences'],
  queryFn: ({ signal }) => callVersioned('get', '/api/v1/account/preferences', { signal }),
})

/** The address book. It has one version, whichever address changes. */
export const addressesQuery = queryOptions({
  queryKey: ['addresses'],
  queryFn: async ({ signal }): Promise<Versioned<SavedAddress[]>> => {
    const { value, version } = await callVersioned('get', '/api/v1/account/addresses', { signal })
    return { value: value.items, version }
  },
})

/** The step that is left after a right password: a code, or none. */
type SignedIn = { user: User } | { mfaRequired: true }

export function useSignIn() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async (body: components['schemas']['Credentials']): Promise<SignedIn> => {
      const answer = await call('post', '/api/v1/auth/login', { body })
      return answer.mfaRequired ? { mfaRequired: true } : { user: answer.user }
    },
    onSuccess: (answer) => 'user' in answer && arrive(client, answer.user),
  })
}

export function useSignInCode() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (code: string) => call('post', '/api/v1/auth/login/totp', { body: { code } }),
    onSuccess: ({ user }) => arrive(client, user),
  })
}

/** Signs in by whatever passkey the browser offers. With `mediation: 'conditional'` it waits until one is chosen in the e-mail field. */
export function useSignInPasskey() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async (options: { mediation?: 'conditional'; signal?: AbortSignal } = {}) => {
      const { publicKey } = await call('post', '/api/v1/auth/passkeys/login/begin', options.signal ? { signal: options.signal } : {})
      const credential = await askForPasskey(publicKey, options)
      return call('post', '/api/v1/auth/passkeys/login/finish', { body: { credential } })
    },
    onSuccess: ({ user }) => arrive(client, user),
  })
}

export function useSignOut() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: () => call('post', '/api/v1/auth/logout'),
    onSuccess: () => leave(client),
  })
}

export function useSignOutEverywhere() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: () => call('post', '/api/v1/auth/logout-all'),
    onSuccess: () => leave(client),
  })
}

export function useRegister() {
  return useMutation({ mutationFn: (body: components['schemas']['Registration']) => call('post', '/api/v1/auth/register', { body }) })
}

export function useVerifyEmail() {
  return useMutation({ mutationFn: (token: string) => call('post', '/api/v1/auth/verify-email', { body: { token } }) })
}

export function useForgotPassword() {
  return useMutation({ mutationFn: (email: string) => call('post', '/api/v1/auth/password/forgot', { body: { email } }) })
}

/** Sets another password. Every session of the account ends, so one that this browser had is over, too. */
export function useResetPassword() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: { token: string; password: string }) => call('post', '/api/v1/auth/password/reset', { body }),
    onSuccess: () => leave(client),
  })
}

/** Moves the account to the address that the token was mailed to. Every session ends. */
export function useConfirmEmail() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (token: string) => call('post', '/api/v1/auth/email/confirmation', { body: { token } }),
    onSuccess: () => leave(client),
  })
}

export function useChangeProfile() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ version, change }: { version: string | null; change: components['schemas']['ProfileChange'] }) =>
      callVersioned('patch', '/api/v1/account/profile', { body: change, headers: ifMatch(version) }),
    onSuccess: (profile: Versioned<Profile>) => {
      client.setQueryData(profileQuery.queryKey, profile)
      return client.invalidateQueries({ queryKey: preferencesQuery.queryKey }) // which has the same version
    },
    onError: (error) => lookAgain(client, error, profileQuery.queryKey),
  })
}

interface PreferencesChange {
  language: string
  currency: string
  consents: Record<string, boolean>
}

export function useChangePreferences() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ version, change }: { version: string | null; change: PreferencesChange }) =>
      callVersioned('patch', '/api/v1/account/preferences', { body: change, headers: ifMatch(version) }),
    onSuccess: (preferences: Versioned<Preferences>) => {
      client.setQueryData(preferencesQuery.queryKey, preferences)
      const currency = currencies.find((known) => known === preferences.value.currency)
      if (currency) chooseCurrency(currency)
      return client.invalidateQueries({ queryKey: profileQuery.queryKey }) // which has the same version
    },
    onError: (error) => lookAgain(client, error, preferencesQuery.queryKey),
  })
}

/** Ends one kind of mail by the token in it, for whoever is signed in or nobody. */
export function useUnsubscribe() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (token: string) => call('post', '/api/v1/account/unsubscribe/{token}', { path: { token } }),
    onSuccess: () => client.invalidateQueries({ queryKey: preferencesQuery.queryKey }),
  })
}

interface AddressChange {
  /** Of the address to replace; none adds one. */
  id: string | undefined
  address: Address
  version: string | null
}

export function useSaveAddress() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, address, version }: AddressChange) =>
      id
        ? call('put', '/api/v1/account/addresses/{id}', { path: { id }, body: address, headers: ifMatch(version) })
        : call('post', '/api/v1/account/addresses', { body: address, headers: ifMatch(version) }),
    onSuccess: () => client.invalidateQueries({ queryKey: addressesQuery.queryKey }),
    onError: (error) => lookAgain(client, error, addressesQuery.queryKey),
  })
}

export function useRemoveAddress() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, version }: { id: string; version: string | null }) =>
      call('delete', '/api/v1/account/addresses/{id}', { path: { id }, headers: ifMatch(version) }),
    onSuccess: () => client.invalidateQueries({ queryKey: addressesQuery.queryKey }),
    onError: (error) => lookAgain(client, error, addressesQuery.queryKey),
  })
}

/** Reads what somebody else changed, so that the next try is made to what is there now. */
function lookAgain(client: QueryClient, error: unknown, queryKey: readonly unknown[]) {
  return changedMeanwhile(error) ? client.invalidateQueries({ queryKey }) : undefined
}

/** Somebody has proved who they are: the same person once more, or another one, who must see nothing of the former. */
function arrive(client: QueryClient, user: User) {
  if (client.getQueryData(meQuery.queryKey)?.id !== user.id) forgetPrivate(client)
  client.setQueryData(meQuery.queryKey, user)
}

/** The session is over. */
export function leave(client: QueryClient) {
  forgetPrivate(client)
  client.setQueryData(meQuery.queryKey, null)
}

const privateQueries = ['orders', 'order', 'profile', 'addresses', 'preferences', 'wishlist', 'own-review', 'factors', 'passkeys', 'sessions', 'exports', 'admin']

/** Drops what belongs to whoever was here before: the next one must not see it for a moment. */
function forgetPrivate(client: QueryClient) {
  for (const name of privateQueries) client.removeQueries({ queryKey: [name] })
  void client.resetQueries({ queryKey: ['basket'] })
}
