// Running the built program as its user does.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

export const bin = join(process.cwd(), 'bin', 'dl-driver.js')

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `dl-driver ARGS` to its end. Node itself must have nothing to warn the user of. */
export function driver(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string; node?: string } = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = execFile(
      options.node ?? process.execPath,
      [bin, ...args],
      { maxBuffer: 1 << 28, timeout: 120_000, cwd: options.cwd, env: { ...process.env, NO_COLOR: '1', ...options.env } },
      (_, stdout, stderr) => {
        if (/^\(node:\d+\)/m.test(stderr)) reject(new Error(`Node warns in dl-driver ${args.join(' ')}:\n${stderr}`))
        else resolve({ code: child.exitCode ?? -1, stdout, stderr })
      },
    )
  })
}

/** Starts `dl-driver ARGS` and leaves it running. */
export function startDriver(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [bin, ...args], { env: { ...process.env, NO_COLOR: '1', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** A scratch folder that is removed after the tests of the calling file. `inMemory`: on tmpfs. */
export function scratchFolder(name: string, inMemory = false): string {
  const folder = mkdtempSync(join(inMemory ? '/dev/shm' : tmpdir(), `dl-driver-${name}-`))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a workload file (JSON is YAML) and returns its path. */
export function workloadFile(folder: string, workload: object, name = 'workload.yaml'): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, JSON.stringify(workload, null, 2))
  return path
}
