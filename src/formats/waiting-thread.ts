// Asking a thread and waiting for it: libraries that work in the background only, for blocking readers, which have no background.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads'
import { restoreError, type SerializedError, serializeError } from '../errors.js'

const timeLimitMs = 60_000
/** What a library makes of a damaged file cannot be bounded otherwise. */
const resourceLimits = { maxOldGenerationSizeMb: 1024 }

interface ThreadStart {
  readonly port: MessagePort
  /** One integer, raised and notified for every answer. */
  readonly answered: SharedArrayBuffer
}

/** What came of the request, or what was wrong. */
type Answer<Reply> = { readonly reply: Reply } | { readonly error: SerializedError }

/** A thread that works on requests, one after the other. */
export class WaitingThread<Request, Reply = void> {
  readonly #answered = new Int32Array(new SharedArrayBuffer(4))
  readonly #port: MessagePort
  readonly #worker: Worker

  /** `entry`: path of the compiled module, which calls {@link serveRequests}. */
  constructor(entry: string) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const start: ThreadStart = { port: port2, answered: this.#answered.buffer as SharedArrayBuffer }
    // With require(): an ES module as entry would be read through libuv's pool.
    const code = `require(${JSON.stringify(entry)})`
    this.#worker = new Worker(code, { eval: true, workerData: start, transferList: [port2], resourceLimits })
    this.#worker.unref()
    this.#port.unref()
    // Its end is seen as an answer that does not come.
    this.#worker.on('error', () => {})
  }

  /** Waits for the reply. Throws what the request failed with; `onSilence` where the thread does not answer in time, or has died. */
  ask(request: Request, onSilence: (seconds: number) => Error): Reply {
    const seen = Atomics.load(this.#answered, 0)
    this.#port.postMessage(request)
    Atomics.wait(this.#answered, 0, seen, timeLimitMs)
    const received = receiveMessageOnPort(this.#port) as { message: Answer<Reply> } | undefined
    if (received === undefined) throw onSilence(timeLimitMs / 1000)
    if ('error' in received.message) throw restoreError(received.message.error)
    return received.message.reply
  }

  close(): void {
    this.#port.close()
    void this.#worker.terminate()
  }
}

/** The thread's side. */
export function serveRequests<Request, Reply = void>(serve: (request: Request) => Promise<Reply>): void {
  const { port, answered } = workerData as ThreadStart
  const count = new Int32Array(answered)
  port.on('message', (request: Request) => {
    serve(request)
      .then((reply): Answer<Reply> => ({ reply }))
      .catch((error: unknown): Answer<Reply> => ({ error: serializeError(error) }))
      .then((answer) => {
        port.postMessage(answer)
        Atomics.add(count, 0, 1)
        Atomics.notify(count, 0)
      })
  })
}
