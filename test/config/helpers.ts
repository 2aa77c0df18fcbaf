// What the tests of the configuration share.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type Loaded, type LoadOptions, loadWorkload } from '#src/config/load.js'
import { formatProblems } from '#src/config/problems.js'
import { ConfigError } from '#src/errors.js'

const scratch = mkdtempSync(join(tmpdir(), 'dl-driver-config-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** Writes `w.yaml` into a scratch folder and gives its path. */
export function fileOf(content: string | Uint8Array, name = 'w.yaml'): string {
  const path = join(scratch, name)
  writeFileSync(path, content)
  return path
}

export const scratchFolder = scratch

type Options = Partial<LoadOptions>

/** Loads a workload from YAML text. */
export function load(yaml: string | Uint8Array, options: Options = {}): Loaded {
  fileOf(yaml)
  return loadWorkload({ config: './w.yaml', cwd: scratch, overrides: [], ...options })
}

/** The rendered problems of YAML text that must not load. */
export function problemsOf(yaml: string | Uint8Array, options: Options = {}): string {
  return rendered(() => load(yaml, options))
}

/** The rendered problems of what must throw a ConfigError. */
export function rendered(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigError) return formatProblems(error.problems)
    throw error
  }
  throw new Error('it was accepted')
}

/** A part of the recordings: the shared ones where present, else the committed copy; undefined where neither is. */
export function golden(part: string): string | undefined {
  return [`../shared/golden/${part}`, `test/golden/${part}`].find((folder) => existsSync(folder))
}
