import { readProblem, type Answer, type Operation, type PathsWith } from './client'

interface Options {
  query?: Record<string, string>
  headers?: Record<string, string>
  /** Told again and again what part of the file has left, from 0 to 1. */
  onProgress?: (part: number) => void
  signal?: AbortSignal
}

/**
 * Sends a file as it is. `fetch` does not say how far it is, so this goes the older way; there is no deadline, since a large file on a
 * slow line takes as long as it takes.
 */
export function upload<P extends PathsWith<'post'>>(path: P, file: File, { query = {}, headers = {}, onProgress, signal }: Options = {}): Promise<Answer<Operation<P, 'post'>>> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', `${path}?${new URLSearchParams(query)}`)
    const all = { Accept: 'application/json', 'Content-Type': file.type || 'application/octet-stream', ...headers }
    for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value)
    request.upload.addEventListener('progress', ({ loaded, total }) => total > 0 && onProgress?.(loaded / total))
    request.addEventListener('load', () => {
      if (request.status < 300) return resolve(JSON.parse(request.responseText) as Answer<Operation<P, 'post'>>)
      readProblem(asResponse(request)).then(reject, reject)
    })
    // What `fetch` throws when nobody answers.
    request.addEventListener('error', () => reject(new TypeError('Failed to send')))
    request.addEventListener('abort', () => reject(new DOMException('Aborted', 'AbortError')))
    signal?.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}

function asResponse(request: XMLHttpRequest): Response {
  const headers = ['Content-Type', 'Retry-After'].map((name) => [name, request.getResponseHeader(name)] as const)
  return new Response(request.responseText, {
    status: request.status,
    statusText: request.statusText,
    headers: headers.filter((pair): pair is [string, string] => pair[1] !== null),
  })
}
