// Options that several commands share, and their parsing into typed values.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type HonourName, honourNames, parseHonour } from '../config/honour.js'
import type { FrameworkName, Semantics } from '../config/workload.js'

export interface WorkloadOptions {
  readonly semantics?: Semantics
  readonly framework?: FrameworkName
  readonly honour?: readonly HonourName[]
}

/** `--semantics` and `--framework`, which decide how a workload file is read. */
export function addWorkloadOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--framework <name>', "framework whose data loading is replayed (default: the configuration's)").choices([
        'pytorch',
        'tensorflow',
        'jax',
      ]),
    )
    .addOption(
      new Option('--semantics <name>', 'which DLIO is replayed: the one of MLPerf Storage, or argonne-lcf’s')
        .choices(['mlcommons', 'upstream'])
        .default('mlcommons'),
    )
    .addOption(
      new Option('--honour <settings>', `take settings at their word where DLIO does something else: ${honourNames.join(',')}`).argParser(
        (text) => parseHonour(text, '--honour'),
      ),
    )
}

export const ranksOption = () =>
  new Option('--ranks <n>', 'local ranks (emulated accelerators), as in mpirun -n N').argParser(parseCount).default(1)

/** A whole number ≥ 1. */
export function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number of at least 1.')
  return value
}

/** A whole number ≥ 0. */
export function parseWhole(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number of at least 0.')
  return value
}

/** A number > 0. */
export function parsePositive(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

/** A number from 0 to 100. */
export function parsePercent(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 100)) throw new InvalidArgumentError('It must be a number of percent, from 0 to 100.')
  return value
}

/** A number ≥ 0. */
export function parseThreshold(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number of percent of at least 0.')
  return value
}
