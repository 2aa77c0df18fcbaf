// Starting the built program so that one knows when it has dealt with Ctrl-C: until then a test's next step would be a race.
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDriver } from './driver.js'

/** Loaded into the command before the program; a microtask comes after all that listen. */
const listener = `const { isMainThread } = require('node:worker_threads')
if (isMainThread) process.on('SIGINT', () => queueMicrotask(() => require('node:fs').writeSync(2, 'heard\\n')))
`

export interface Heard {
  readonly child: ChildProcess
  /** The program has dealt with its first Ctrl-C, or has ended. */
  readonly heard: Promise<unknown>
  /** It has ended, and all that it said is here. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly stderr: () => string
}

/** Starts `dl-driver ARGS` and leaves it running; `folder` is one of the test's own. */
export function startHearing(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Heard {
  const path = join(folder, 'listener.cjs')
  writeFileSync(path, listener)
  const child = startDriver(args, { ...env, NODE_OPTIONS: `--require ${path}` })
  let stderr = ''
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  )
  const said = new Promise<void>((resolve) => {
    child.stderr!.on('data', (chunk) => {
      stderr += chunk
      if (stderr.includes('heard\n')) resolve()
    })
  })
  child.stdout!.resume()
  return { child, heard: Promise.race([said, ended]), ended, stderr: () => stderr }
}
