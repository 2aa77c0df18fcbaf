// Speaks with the process that loads batches: one JSON object a line over a socket. Ends when that process does, however it ends.
import { Socket } from 'node:net'
import { ConfigError, DlDriverError, RunError, serializeError } from '../errors.js'
import { lazily } from '../package.js'
import { ServeEngine } from './engine.js'
import type { Answer, Request } from './messages.js'

/** Longest request: the step times of a long run. */
const mostRequestBytes = 2 ** 28
/** How long threads may take to end; a read on dead storage may never return. */
const endGraceMs = 500

/** Serves requests until the other side closes the control socket. */
export async function serve(controlFd: number, memoryFd: number): Promise<void> {
  let engine: ServeEngine | undefined
  const socket = new Socket({ fd: controlFd, readable: true, writable: true })
  const send = (answer: Answer, body?: Uint8Array) => {
    if (socket.destroyed) return
    socket.write(`${JSON.stringify(answer)}\n`)
    if (body !== undefined) socket.write(body)
  }
  const open = (request: Request & { op: 'open' }): Promise<ServeEngine> =>
    ServeEngine.open(
      request.options,
      memoryFd,
      (error) => socket.destroyed || socket.write(`${JSON.stringify({ ...refusal(error), failed: true })}\n`),
    )

  const perform = async (request: Request): Promise<void> => {
    if (request.op === 'open') {
      engine = await open(request)
      return send({ ok: true, ...engine.opened })
    }
    if (engine === undefined) throw new RunError(`${request.op} before open`)
    switch (request.op) {
      case 'start':
        await engine.start(request.split, request.epoch, request.from)
        return send({ ok: true })
      case 'samples':
        return send({ ok: true, samples: engine.samples(request.split, request.epoch, request.step) })
      case 'sample': {
        const { bytes, arrays } = await engine.sample(request.split, request.index)
        const told = arrays.map(({ layout: { role, name, dtype, shape, fortranOrder }, begin }) => [
          role,
          name,
          dtype,
          shape,
          fortranOrder,
          begin,
        ])
        return send({ ok: true, arrays: told, bodyBytes: bytes.length }, bytes)
      }
      case 'result': {
        const { writeMeasuredResult } = lazily<typeof import('./result.js')>('serve/result.js')
        return send({ ok: true, path: writeMeasuredResult(engine, request) })
      }
    }
  }

  let turn = Promise.resolve()
  let pending = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    pending += text
    if (pending.length > mostRequestBytes) socket.destroy()
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const line = pending.slice(0, end)
      pending = pending.slice(end + 1)
      turn = turn.then(async () => {
        try {
          await perform(JSON.parse(line) as Request)
        } catch (error) {
          send(refusal(error))
        }
      })
    }
  })
  await new Promise<void>((resolve) => {
    socket.on('error', () => resolve())
    socket.on('close', () => resolve())
    socket.on('end', () => resolve())
  })
  engine?.stop()
  // Nobody is left to hear of anything, and exit() waits for threads.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), endGraceMs).unref()
  process.exit(0)
}

function refusal(error: unknown): Answer & { ok: false } {
  const plain = serializeError(error)
  return {
    ok: false,
    error: { ...plain, stack: undefined },
    message: words(error),
    exitCode: error instanceof DlDriverError ? error.exitCode : 1,
  }
}

/** What the command line would say of the error. */
function words(error: unknown): string {
  if (error instanceof ConfigError && error.problems.length > 0) {
    const { formatProblems } = lazily<typeof import('../config/problems.js')>('config/problems.js')
    return formatProblems(error.problems)
  }
  if (error instanceof DlDriverError) return error.message
  return `unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
}
