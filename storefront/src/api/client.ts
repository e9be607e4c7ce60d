import type { components, paths } from './schema.gen'

type Problem = components['schemas']['Problem']
type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
export type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>
export type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths]

type Parameters<Op, In extends 'path' | 'query'> = Op extends { parameters: Partial<Record<In, infer Values>> } ? NonNullable<Values> : never
type Body<Op> = Op extends { requestBody: { content: { 'application/json': infer B } } } ? B : never
type Json<Response> = Response extends { content: { 'application/json': infer J } } ? J : undefined
export type Answer<Op> = Op extends { responses: infer R } ? { [S in keyof R & (200 | 201 | 202 | 204)]: Json<R[S]> }[keyof R & (200 | 201 | 202 | 204)] : never

interface Options<Op> {
  path?: Parameters<Op, 'path'>
  query?: Parameters<Op, 'query'>
  body?: Body<Op>
  headers?: Record<string, string>
  signal?: AbortSignal
}

const deadline = 15_000

/** An answer that is not a success: RFC 9457, or what comes nearest when something between us and the gateway answered. */
export class ProblemError extends Error {
  readonly status: number
  readonly code: string
  /** Seconds after which a repeat makes sense, when the answer said so. */
  readonly retryAfter: number | undefined
  readonly fields: { field: string; detail: string }[]

  constructor(problem: Problem, retryAfter?: number) {
    super(problem.detail || problem.title)
    this.name = 'ProblemError'
    this.status = problem.status
    this.code = problem.code
    this.fields = problem.errors ?? []
    this.retryAfter = retryAfter
  }

  /** The sentence for each refused field, by the field's dotted path. */
  get messages(): Record<string, string> {
    return Object.fromEntries(this.fields.map(({ field, detail }) => [field, detail]))
  }
}

/** Calls one operation of the public API; paths, parameters, bodies and answers are typed by gateway/openapi.yaml. */
export async function call<M extends Method, P extends PathsWith<M>>(
  method: M,
  path: P,
  options: Options<Operation<P, M>> = {},
): Promise<Answer<Operation<P, M>>> {
  return read(await send(method, path, options))
}

/** Something with the version that it was seen in, to change it only if nobody else did meanwhile. */
export interface Versioned<T> {
  value: T
  version: string | null
}

/** `call`, for what has an ETag. */
export async function callVersioned<M extends Method, P extends PathsWith<M>>(
  method: M,
  path: P,
  options: Options<Operation<P, M>> = {},
): Promise<Versioned<Answer<Operation<P, M>>>> {
  const response = await send(method, path, options)
  return { value: await read(response), version: response.headers.get('ETag') }
}

/** The header that lets a change through only to the version that was seen. */
export function ifMatch(version: string | null | undefined): Record<string, string> {
  return version ? { 'If-Match': version } : {}
}

async function send<Op>(method: Method, path: string, options: Options<Op>): Promise<Response> {
  const { body, headers, signal } = options
  const timeout = AbortSignal.timeout(deadline)
  const response = await fetch(address(path, options.path, options.query), {
    method: method.toUpperCase(),
    headers: { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  })
  if (!response.ok) throw await readProblem(response)
  return response
}

async function read<Op>(response: Response): Promise<Answer<Op>> {
  return (response.status === 204 ? undefined : await response.json()) as Answer<Op>
}

/** Reads a refused answer. What is not a problem document becomes one by its status. */
export async function readProblem(response: Response): Promise<ProblemError> {
  const retryAfter = Number(response.headers.get('Retry-After') ?? NaN)
  const problem: Partial<Problem> = response.headers.get('Content-Type')?.includes('json') ? await response.json().catch(() => ({})) : {}
  return new ProblemError(
    {
      type: problem.type ?? 'about:blank',
      title: problem.title ?? (response.statusText || `The shop answered ${response.status}.`),
      status: response.status,
      code: problem.code ?? `http-${response.status}`,
      ...(problem.detail ? { detail: problem.detail } : {}),
      ...(Array.isArray(problem.errors) ? { errors: problem.errors } : {}),
    },
    Number.isFinite(retryAfter) ? retryAfter : undefined,
  )
}

/** What went wrong, for people. */
export function sentence(error: unknown): string {
  return error instanceof ProblemError ? error.message : 'The shop cannot be reached. Check your connection and try again.'
}

/** What a form shows of an error: what was refused beside its field, anything else as a sentence. */
export function formErrors(error: unknown): { refused?: Record<string, string>; problem?: string } {
  if (!error) return {}
  return error instanceof ProblemError && error.fields.length > 0 ? { refused: error.messages } : { problem: sentence(error) }
}

/** Whether the same request may work a moment later: nobody answered, or the answer says so. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof ProblemError) return error.status >= 500 || error.status === 429 || error.retryAfter !== undefined
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')
}

/** Whether the answer means that nothing was done and nothing will be by this request. A lost session or a busy shop does not. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ProblemError && error.status >= 400 && error.status < 500 && error.status !== 401 && error.status !== 408 && !isTemporary(error)
}

/** What 401 says of a proof that was shown just now, as opposed to a session. */
const refusedProofs = new Set(['invalid-credentials', 'wrong-code', 'challenge-expired'])

/** Whether the error means that there is no session (any more), as opposed to a wrong password. */
export function needsSignIn(error: unknown): boolean {
  return error instanceof ProblemError && error.status === 401 && !refusedProofs.has(error.code)
}

/** Whether somebody else changed the thing since it was read. */
export function changedMeanwhile(error: unknown): boolean {
  return error instanceof ProblemError && error.status === 412
}

function address(path: string, values: object = {}, query: object = {}) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String((values as Record<string, unknown>)[name])))
  const given = Object.entries(query as Record<string, unknown>)
    // A list is a parameter given several times.
    .flatMap(([name, value]) => [value].flat().map((one) => [name, one] as const))
    .filter(([, value]) => value !== undefined && value !== '')
  return given.length > 0 ? `${filled}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : filled
}
