// What `dl-driver doctor` does: finds out what is meant, examines it, prints what it found.
import { existsSync, statSync } from 'node:fs'
import { loadWorkload } from '../config/load.js'
import { printable } from '../config/problems.js'
import type { Workload } from '../config/workload.js'
import { dataLocation } from '../dataset/layout.js'
import { lazily, packageInfo } from '../package.js'
import { isObjectLocation, isUri, type Location, parseLocation, placeUri } from '../storage/uri.js'
import type { DoctorOptions } from './doctor.js'
import { type Check, formatChecks } from './doctor-checks.js'
import { examineMachine } from './doctor-machine.js'

/** Version of what `--json` prints. */
const schemaVersion = 1

/** Runs the command; returns 0 where nothing failed, else 1. Throws ConfigError for a target that is none. */
export async function doctorCommand(target: string | undefined, overrides: readonly string[], options: DoctorOptions): Promise<number> {
  const workload =
    target === undefined || isPlace(target) ? undefined : loadWorkload({ config: target, overrides, ...flags(options) }).workload
  const location = workload !== undefined ? dataLocation(workload) : target === undefined ? undefined : parseLocation(target)
  const { name, checks } = await examine(location, workload, options)
  const ok = checks.every(({ outcome }) => outcome !== 'failed')
  if (options.json) {
    const answer = { schemaVersion, tool: packageInfo().name, version: packageInfo().version, target: name, ok, checks }
    process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  } else process.stdout.write(printableLines(formatChecks(name, checks)))
  return ok ? 0 : 1
}

const flags = ({ semantics, framework, honour }: DoctorOptions) => ({ semantics, framework, honour })

/** A URI, a folder, or a path to what is not there and would be none of a configuration; anything else is a configuration. */
function isPlace(target: string): boolean {
  if (isUri(target)) return true
  if (existsSync(target)) return statSync(target).isDirectory()
  return target.includes('/') && !/\.(?:ya?ml|json)$/i.test(target)
}

const printableLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => printable(line))
    .join('\n')

async function examine(
  location: Location | undefined,
  workload: Workload | undefined,
  { ranks, readOnly, timeout }: DoctorOptions,
): Promise<{ name: string; checks: readonly Check[] }> {
  const machine = { ranks, direct: false, readOnly: readOnly === true, ...(workload === undefined ? {} : { workload }) }
  if (location === undefined) return { name: 'this machine', checks: await examineMachine(machine) }
  if (isObjectLocation(location)) {
    const { resolveTarget } = lazily<typeof import('../storage/object/connect.js')>('storage/object/connect.js')
    const storageOptions = workload?.storage.options ?? {}
    const target = resolveTarget(location, storageOptions)
    const { examineObjects } = lazily<typeof import('./doctor-objects.js')>('cli/doctor-objects.js')
    const here = workload === undefined ? [] : await examineMachine(machine)
    const there = await examineObjects({ target, options: storageOptions, readOnly: readOnly === true, timeoutMs: 1000 * timeout })
    return { name: placeUri(target.place), checks: [...here, ...there] }
  }
  const direct = location.scheme === 'direct' || workload?.reader.odirect === true
  return { name: location.path, checks: await examineMachine({ ...machine, folder: location.path, direct }) }
}
