// From Hydra's command line to one composed configuration: search path, primary file, workload, overrides
// (hydra/_internal/config_loader_impl.py: _load_configuration_impl).
import { resolve } from 'node:path'
import { type ConfigNode, type MapNode, mapNode, toPlain } from '../../config/tree.js'
import { applyOverride, merged, select } from './apply.js'
import type { HydraArguments } from './arguments.js'
import { HydraError } from './errors.js'
import { readPrimary, readWorkload } from './files.js'
import { defaultHydra, withFacts } from './hydra-node.js'
import { interpolateAll } from './interpolate.js'
import { isHydraOverride, type OverrideLine, parseOverrideLine } from './override-line.js'
import { type ConfigSource, searchPath } from './search-path.js'

export interface Composition {
  /** What the job sees: `workload:` and whatever else was given; references not resolved. */
  readonly job: MapNode
  /** What stands in hydra.yaml, below `hydra:`. */
  readonly hydra: MapNode
  readonly taskOverrides: readonly OverrideLine[]
  readonly sources: readonly ConfigSource[]
  /** The workload's name and file; undefined after `~workload`. */
  readonly workload: { readonly name: string; readonly path: string } | undefined
  readonly warnings: readonly string[]
  readonly now: Date
}

export interface Surroundings {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly now: Date
}

/** Throws HydraError in Hydra's words, and ConfigError for files that are no YAML. */
export function compose(args: HydraArguments, { cwd, now }: Surroundings): Composition {
  const overrides = args.overrides.map(parseOverrideLine)
  const configName = args.configName ?? 'config'
  const sources = searchPath(args, cwd, extraFolders(overrides))
  const primary = readPrimary(sources, configName)
  const name = chosenWorkload(overrides, primary.workload)
  const found = name === undefined ? undefined : readWorkload(sources, name, configName)
  let job = primary.root
  if (found !== undefined) {
    const own = mapNode(new Map([['workload', { key: found.node.origin, value: found.node }]]), found.node.origin)
    job = primary.ownLast ? merged(own, primary.root) : merged(primary.root, own)
  }
  const hydra = merged(defaultHydra(), primary.hydra)
  let all = mapNode(new Map([...job.entries, ['hydra', { key: hydra.origin, value: hydra }]]), job.origin)
  for (const override of overrides) if (!isGroup(override)) all = applyOverride(all, override)
  const { rest, taken } = split(all)
  if (select(taken, ['mode'])?.kind === 'scalar' && text(taken, ['mode']) !== 'RUN')
    throw new HydraError('hydra.mode: this dlio_benchmark runs one job at a time; start it once for each combination of values')
  return {
    job: rest,
    hydra: withFacts(taken, {
      hydraOverrides: overrides.filter(isHydraOverride),
      taskOverrides: overrides.filter((override) => !isHydraOverride(override)),
      configName,
      cwd,
      sources,
      workload: name,
    }),
    taskOverrides: overrides.filter((override) => !isHydraOverride(override)),
    sources,
    workload: name === undefined || found === undefined ? undefined : { name, path: found.path },
    warnings: found?.warning === undefined ? [] : [found.warning],
    now,
  }
}

/** The configuration with all references resolved, and where the run's files go. Throws HydraError. */
export function runFolders(
  { job, hydra, now }: Composition,
  { cwd, env }: Surroundings,
): { outputDir: string; subdir: string | undefined } {
  const root = mapNode(new Map([...job.entries, ['hydra', { key: hydra.origin, value: hydra }]]), job.origin)
  const resolved = (path: readonly string[]) => {
    const node = select(root, path)
    const found = node && interpolateAll(node, { root, now, env }, path)
    return found?.kind === 'scalar' ? found.value : undefined
  }
  const dir = resolved(['hydra', 'run', 'dir'])
  if (dir === undefined || dir === null || dir === '') throw new HydraError('hydra.run.dir: a folder is needed; give ++hydra.run.dir=DIR')
  const subdir = resolved(['hydra', 'output_subdir'])
  return { outputDir: resolve(cwd, String(dir)), subdir: subdir === undefined || subdir === null ? undefined : String(subdir) }
}

/** The job with references resolved, as DLIO sees it. Throws HydraError. */
export function resolvedJob({ job, hydra, now }: Composition, { env }: Surroundings): MapNode {
  const root = mapNode(new Map([...job.entries, ['hydra', { key: hydra.origin, value: hydra }]]), job.origin)
  return interpolateAll(job, { root, now, env }) as MapNode
}

/** `workload=NAME` and `hydra/launcher=NAME` pick files of a group; everything else is about keys. */
function isGroup({ key }: OverrideLine): boolean {
  return key === 'workload' || key.includes('/')
}

function chosenWorkload(overrides: readonly OverrideLine[], first: string | undefined): string | undefined {
  let name = first
  for (const override of overrides.filter(isGroup)) {
    const { text: given, operator, key, value } = override
    if (isHydraOverride(override)) continue
    if (key !== 'workload') throw new HydraError(`Could not override '${key}'. No match in the defaults list.`)
    if (value !== undefined && value.kind !== 'scalar')
      throw new HydraError(`Config group override value type cannot be a ${value.kind === 'list' ? 'list' : 'dict'}`)
    const picked = value === undefined || value.value === null ? undefined : String(value.value)
    if (operator === '++') throw new HydraError(`force-add of config groups is not supported: '${given}'`)
    if (operator === '+' && name !== undefined) throw new HydraError('workload appears more than once in the final defaults list')
    if (operator === '~' && (name === undefined || (picked !== undefined && picked !== name)))
      throw new HydraError(`Could not delete '${given.slice(1)}'. No match in the defaults list.`)
    name = operator === '~' ? undefined : picked
  }
  return name
}

function extraFolders(overrides: readonly OverrideLine[]): string[] {
  const given = overrides.findLast(({ key }) => key === 'hydra.searchpath')?.value
  if (given === undefined) return []
  const folders = toPlain(given)
  if (!Array.isArray(folders) || !folders.every((folder) => typeof folder === 'string'))
    throw new HydraError(`hydra.searchpath must be a list of strings. Got: ${JSON.stringify(folders)}`)
  return folders
}

function split(all: MapNode): { rest: MapNode; taken: MapNode } {
  const entries = new Map(all.entries)
  const node: ConfigNode | undefined = entries.get('hydra')?.value
  entries.delete('hydra')
  if (node?.kind !== 'map') throw new HydraError("Could not delete or replace 'hydra': Hydra's own settings are needed")
  return { rest: mapNode(entries, all.origin), taken: node }
}

function text(root: MapNode, path: readonly string[]): string {
  const node = select(root, path)
  return node?.kind === 'scalar' ? String(node.value) : ''
}
