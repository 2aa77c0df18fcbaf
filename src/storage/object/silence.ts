// Servers that take a request and never answer: the libraries of Azure and Google would wait for ever.

/** Slower than this an upload is as good as stopped, in bytes per millisecond. */
const slowestUpload = 256

/** How long an answer to a request with a body of `bodyBytes` may take. */
export const answerLimitMs = (requestTimeoutMs: number, bodyBytes: number): number => requestTimeoutMs + bodyBytes / slowestUpload

/** The error of a request whose answer did not come within `limitMs` milliseconds; its code is what sockets give for the same. */
export function silenceError(limitMs: number): Error {
  return Object.assign(new Error(`the server was silent for ${(limitMs / 1000).toFixed(1)} s`), { code: 'ETIMEDOUT' })
}

/** The answer of `request`, which is told to stop where it takes longer than `limitMs`; then an error with the code ETIMEDOUT is thrown. */
export async function answerWithin<T>(limitMs: number, request: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const silence = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      silence.abort()
      reject(silenceError(limitMs))
    }, limitMs)
  })
  try {
    return await Promise.race([request(silence.signal), late])
  } finally {
    clearTimeout(timer)
  }
}

/** All bytes of a body. Throws an error with the code ETIMEDOUT where none come for `limitMs`. */
export async function collectBody(body: NodeJS.ReadableStream, limitMs: number): Promise<Buffer> {
  const { destroy } = body as NodeJS.ReadableStream & { destroy(error: Error): void }
  const expire = () => destroy.call(body, silenceError(limitMs))
  let timer = setTimeout(expire, limitMs)
  const pieces: Buffer[] = []
  try {
    for await (const piece of body) {
      clearTimeout(timer)
      timer = setTimeout(expire, limitMs)
      pieces.push(piece as Buffer)
    }
    return Buffer.concat(pieces)
  } finally {
    clearTimeout(timer)
  }
}
