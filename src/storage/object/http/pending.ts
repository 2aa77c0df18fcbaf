// Waiting for a socket to become usable: until it is, fails, closes, takes too long or is not wanted any more.
import type { Socket } from 'node:net'
import type { HttpFault } from './faults.js'

/** How long to wait, and what to say when it was in vain. */
export interface Waiting {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly broken: (error: NodeJS.ErrnoException) => HttpFault
  readonly closed: () => HttpFault
  readonly late: () => HttpFault
}

/**
 * Waits for what `begin` reports by `ready` (then the socket is the caller's) or by `fail`. In vain: destroys the socket and rejects with an
 * HttpFault. `begin` is called at once and may return what takes its listeners away.
 */
export function awaiting<T>(
  socket: Socket,
  { timeoutMs, signal, broken, closed, late }: Waiting,
  begin: (ready: (value: T) => void, fail: (fault: HttpFault) => void) => (() => void) | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let leave: (() => void) | undefined
    const end = () => {
      clearTimeout(timer)
      socket.off('error', onError).off('close', onClose)
      signal?.removeEventListener('abort', onClose)
      leave?.()
    }
    const fail = (fault: HttpFault) => {
      end()
      // A socket that is being destroyed may still report an error.
      socket.on('error', () => {})
      socket.destroy()
      reject(fault)
    }
    const onError = (error: NodeJS.ErrnoException) => fail(broken(error))
    const onClose = () => fail(closed())
    const timer = setTimeout(() => fail(late()), timeoutMs)
    socket.on('error', onError).on('close', onClose)
    signal?.addEventListener('abort', onClose)
    leave = begin((value) => {
      end()
      resolve(value)
    }, fail)
  })
}
