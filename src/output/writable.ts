// The output folder before the run: there, writable, and free of what a former run left.
import { closeSync, openSync, readdirSync, rmSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../errors.js'
import { makeFolders } from '../storage/folders.js'
import { isLeftover } from './atomic.js'

/** Files which, left from a former run, would pass for results of this one. */
const resultFile = /^(summary\.json|result(\.partial)?\.json|(\d+_)?per_epoch_stats\.json|\d+_output\.json)$/

/**
 * Creates the folder (with its parents), proves that files can be made in it, and removes results of a former run. Call it before anything
 * else is touched, on one rank. Errors: ConfigError (exit code 2) with the reason and what to do.
 */
export function prepareOutputFolder(folder: string): void {
  attempt(folder, 'cannot be created', () => makeFolders(folder))
  attempt(folder, 'cannot be written to', () => {
    const probe = join(folder, `.dl-driver-probe.${process.pid}.tmp`)
    try {
      closeSync(openSync(probe, 'w'))
    } finally {
      rmSync(probe, { force: true })
    }
  })
  for (const name of attempt(folder, 'cannot be listed', () => readdirSync(folder)))
    if (resultFile.test(name) || isLeftover(name))
      attempt(join(folder, name), 'is a result of a former run and cannot be removed', () => unlinkSync(join(folder, name)))
}

function attempt<T>(path: string, failure: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new ConfigError(`output folder: ${path} ${failure}: ${code ?? message}. Choose another folder with --output`, [
      { source: 'command line', path: 'output.folder', value: path, rule: failure, remedy: 'choose another folder with --output' },
    ])
  }
}
