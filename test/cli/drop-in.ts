// Running the built `dlio_benchmark` as job scripts do.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { Outcome } from './driver.js'

export const dropInBin = join(process.cwd(), 'bin', 'dlio_benchmark')

/** Runs `dlio_benchmark ARGS` in `cwd` to its end, without what an MPI launcher around the tests may have set. */
export function dropIn(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return runBin('dlio_benchmark', cwd, args, env)
}

/** Runs one of the package's programs in `cwd` to its end. */
export function runBin(name: string, cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(process.cwd(), 'bin', name), ...args],
      {
        maxBuffer: 1 << 28,
        timeout: 120_000,
        cwd,
        env: { ...process.env, DLIO_LOG_LEVEL: '', DL_DRIVER_SEMANTICS: '', DLIO_OUTPUT_FOLDER: '', ...env },
      },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}
