// Hydra's options (hydra/_internal/utils.py: get_args_parser) told from overrides, in any order.
import { HydraError } from './errors.js'

export type CfgKind = 'job' | 'hydra' | 'all'

export interface HydraArguments {
  readonly overrides: readonly string[]
  /** `--config-dir`: appended to the search path. */
  readonly configDir?: string
  /** `--config-path`: replaces the bundled configurations. */
  readonly configPath?: string
  /** `--config-name`. */
  readonly configName?: string
  readonly cfg?: CfgKind
  readonly package?: string
  readonly resolve: boolean
  readonly info: boolean
  readonly help: boolean
  readonly hydraHelp: boolean
  readonly version: boolean
  /** `--ranks`, which Hydra does not have: emulated accelerators in this one process. */
  readonly ranks?: string
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const withValue = new Map<string, 'configDir' | 'configPath' | 'configName' | 'cfg' | 'package' | 'ranks'>([
  ['--config-dir', 'configDir'],
  ['-cd', 'configDir'],
  ['--config-path', 'configPath'],
  ['-cp', 'configPath'],
  ['--config-name', 'configName'],
  ['-cn', 'configName'],
  ['--cfg', 'cfg'],
  ['-c', 'cfg'],
  ['--package', 'package'],
  ['-p', 'package'],
  ['--ranks', 'ranks'],
])

const switches = new Map<string, 'resolve' | 'help' | 'hydraHelp' | 'version'>([
  ['--resolve', 'resolve'],
  ['--help', 'help'],
  ['-h', 'help'],
  ['--hydra-help', 'hydraHelp'],
  ['--version', 'version'],
])

const infoKinds = ['all', 'config', 'defaults', 'defaults-tree', 'plugins', 'searchpath']

const refused = new Map<string, string>([
  ['--multirun', 'runs one job at a time; start it once for each combination of values'],
  ['-m', 'runs one job at a time; start it once for each combination of values'],
  ['--shell-completion', 'has no shell completion'],
  ['-sc', 'has no shell completion'],
  ['--experimental-rerun', 'cannot repeat a recorded job; give its overrides (overrides.yaml) again'],
])

/** Throws HydraError, with exit code 2 for options that do not exist, as argparse has it. */
export function parseArguments(argv: readonly string[]): HydraArguments {
  const result: Mutable<HydraArguments> = { overrides: [], resolve: false, info: false, help: false, hydraHelp: false, version: false }
  const overrides: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!
    if (!argument.startsWith('-')) {
      overrides.push(argument)
      continue
    }
    const [, name = argument, attached] = /^(--?[A-Za-z-]+)(?:=([\s\S]*))?$/.exec(argument) ?? []
    const valued = withValue.get(name)
    const on = switches.get(name)
    if (refused.has(name)) throw new HydraError(`${name}: this dlio_benchmark ${refused.get(name)}`)
    if (valued !== undefined) {
      const value = attached ?? argv[++i]
      if (value === undefined) throw usage(`argument ${name}: expected one argument`)
      setValue(result, valued, value, name)
    } else if (on !== undefined && attached === undefined) result[on] = true
    else if (name === '--info' || name === '-i') {
      result.info = true
      if (attached === undefined && infoKinds.includes(argv[i + 1] ?? '')) i++
    } else if (name !== '--run' && name !== '-r') throw usage(`unrecognized arguments: ${argument}`)
  }
  return { ...result, overrides }
}

function setValue(
  result: Mutable<HydraArguments>,
  key: 'configDir' | 'configPath' | 'configName' | 'cfg' | 'package' | 'ranks',
  value: string,
  name: string,
): void {
  if (key !== 'cfg') result[key] = value
  else if (value === 'job' || value === 'hydra' || value === 'all') result.cfg = value
  else throw usage(`argument ${name}: invalid choice: '${value}' (choose from 'job', 'hydra', 'all')`)
}

function usage(problem: string): HydraError {
  return new HydraError(
    `usage: dlio_benchmark [--help] [--cfg job|hydra|all] [--config-dir DIR] [overrides...]\ndlio_benchmark: error: ${problem}`,
    2,
  )
}
