interface Follower<T> {
  event: string
  onData: (data: T) => void
  onConnection: (connected: boolean) => void
}

const firstPause = 500
const longestPause = 15_000

/**
 * Follows a server-sent event stream until the returned function is called. A dropped connection is resumed by the browser with
 * Last-Event-ID. A refused one (the gateway restarts, say) ends an EventSource for good, so it is replaced after a growing pause;
 * the first event of a new stream is the present state, so nothing is missed.
 */
export function follow<T>(url: string, { event, onData, onConnection }: Follower<T>): () => void {
  let source: EventSource
  let timer: ReturnType<typeof setTimeout> | undefined
  let pause = firstPause

  function connect() {
    source = new EventSource(url)
    source.addEventListener('open', () => {
      pause = firstPause
      onConnection(true)
    })
    source.addEventListener(event, (message: MessageEvent<string>) => onData(JSON.parse(message.data) as T))
    source.addEventListener('error', () => {
      onConnection(false)
      if (source.readyState !== EventSource.CLOSED) return
      timer = setTimeout(connect, pause)
      pause = Math.min(pause * 2, longestPause)
    })
  }

  connect()
  return () => {
    clearTimeout(timer)
    source.close()
  }
}
