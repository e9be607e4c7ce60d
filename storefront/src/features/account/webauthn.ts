/** A passkey that was not made or not shown, in words for people. */
export class PasskeyError extends Error {}

/** Whether this browser can use passkeys, and speaks the JSON in which the shop asks for them. */
export const passkeysWork = typeof PublicKeyCredential === 'function' && 'parseCreationOptionsFromJSON' in PublicKeyCredential

/** Whether the browser offers passkeys among what it fills in. */
export async function passkeysFillIn(): Promise<boolean> {
  return passkeysWork && Boolean(await PublicKeyCredential.isConditionalMediationAvailable?.())
}

/** Has the browser make a passkey, as WebAuthn's `options` of the API describe it. */
export async function makePasskey(options: Record<string, unknown>): Promise<Record<string, unknown>> {
  try {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON)
    return asJSON(await navigator.credentials.create({ publicKey }))
  } catch (error) {
    if (named(error, 'InvalidStateError')) throw new PasskeyError('This device has a passkey for the shop already.')
    throw readable(error, 'No passkey was made: it was cancelled, or took too long.')
  }
}

/** Has the browser show a passkey. */
export async function askForPasskey(options: Record<string, unknown>, { mediation, signal }: { mediation?: 'conditional'; signal?: AbortSignal }): Promise<Record<string, unknown>> {
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON)
    return asJSON(await navigator.credentials.get({ publicKey, ...(mediation ? { mediation } : {}), ...(signal ? { signal } : {}) }))
  } catch (error) {
    throw readable(error, 'No passkey was used: it was cancelled, took too long, or there is none for this shop here.')
  }
}

function asJSON(credential: Credential | null): Record<string, unknown> {
  if (!(credential instanceof PublicKeyCredential)) throw new PasskeyError('This browser cannot use passkeys.')
  return credential.toJSON() as Record<string, unknown>
}

/** What the browser does not tell apart, so as not to tell which passkeys there are. An abort is our own doing and stays what it is. */
function readable(error: unknown, words: string): unknown {
  return named(error, 'NotAllowedError') || named(error, 'SecurityError') ? new PasskeyError(words) : error
}

function named(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name
}
