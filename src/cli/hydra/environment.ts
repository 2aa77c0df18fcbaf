// What the environment says about a job: the DLIO that is meant, the levels of its log, where its results go.
import { existsSync } from 'node:fs'
import type { Semantics } from '../../config/workload.js'
import type { LogLevel } from '../../output/events.js'
import { HydraError } from './errors.js'

/** `DL_DRIVER_SEMANTICS`. Throws HydraError for what is neither. */
export function semanticsFrom(env: NodeJS.ProcessEnv): Semantics {
  const value = env.DL_DRIVER_SEMANTICS ?? ''
  if (value === '' || value === 'mlcommons') return 'mlcommons'
  if (value === 'upstream') return value
  throw new HydraError(`DL_DRIVER_SEMANTICS=${value}: mlcommons (the default) and upstream are the two DLIOs that can be replayed`)
}

const levels: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warning: 'warning',
  warn: 'warning',
  error: 'error',
  critical: 'critical',
}

/** `DLIO_LOG_LEVEL` (dlio_benchmark/utils/utility.py: DLIOLogger); DLIO dies of unknown words, here they mean the default and are named. */
export function logLevelFrom(env: NodeJS.ProcessEnv): { level: LogLevel; unknown?: string } {
  const value = env.DLIO_LOG_LEVEL ?? ''
  const level = Object.hasOwn(levels, value.toLowerCase()) ? levels[value.toLowerCase()] : undefined
  return { level: level ?? 'warning', ...(level === undefined && value !== '' && { unknown: value }) }
}

const withoutEffect = {
  DLIO_STORAGE_TYPE: '++workload.storage.storage_type=s3',
  DLIO_BUCKET: '++workload.storage.storage_root=BUCKET',
} as const

/**
 * What of MLCommons' environment people may rely on and does nothing. There, DLIO_STORAGE_TYPE and DLIO_BUCKET apply to settings that are null, and
 * none is; `.env` in the working directory is read where there is no output.folder (dlio_benchmark/utils/config.py: _apply_env_overrides).
 */
export function environmentNotes(env: NodeJS.ProcessEnv, semantics: Semantics, hasOutputFolder: boolean): string[] {
  if (semantics !== 'mlcommons') return []
  const notes = Object.entries(withoutEffect)
    .filter(([name]) => (env[name] ?? '') !== '')
    .map(([name, instead]) => `${name} has no effect, as in DLIO; give ${instead}`)
  if (!hasOutputFolder && existsSync('.env'))
    notes.push('.env is not read; where it sets DLIO_... or AWS_... variables, export them: set -a; . ./.env; set +a')
  return notes
}
