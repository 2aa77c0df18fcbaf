// Where configurations are looked for, in Hydra's order: the first source that has a file wins (hydra/_internal/config_search_path_impl.py).
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { bundledNames } from '../../config/bundled.js'
import { packageRoot } from '../../package.js'
import type { HydraArguments } from './arguments.js'
import { HydraError } from './errors.js'

export interface ConfigSource {
  readonly provider: string
  /** Absolute folder. */
  readonly folder: string
  /** The workloads that ship stand in the folder itself, and there is no primary configuration beside them. */
  readonly bundled: boolean
}

/** Workloads that ship here and not with DLIO: with DLIO they come from --config-dir, so that a file there goes before them. */
const notDlios = /^(?:quickstart|.*_datagen|llama3_.*)$/

/** The sources of a command line. Throws HydraError where a folder is missing. */
export function searchPath(args: HydraArguments, cwd: string, extra: readonly string[] = []): ConfigSource[] {
  const sources: ConfigSource[] = []
  if (args.configPath === undefined) sources.push({ provider: 'main', folder: join(packageRoot, 'configs'), bundled: true })
  else {
    const folder = resolve(cwd, args.configPath)
    if (!isFolder(folder))
      throw new HydraError(`Primary config directory not found.\nCheck that the config directory '${folder}' exists and readable`)
    sources.push({ provider: 'main', folder, bundled: false })
  }
  for (const path of extra) {
    if (/^(?!file:)[a-z]+:\/\//.test(path)) throw new HydraError(`hydra.searchpath: ${path}: only folders can be searched (file://DIR)`)
    sources.push({ provider: 'hydra.searchpath in command-line', folder: resolve(cwd, path.replace(/^file:\/\//, '')), bundled: false })
  }
  if (args.configDir !== undefined) {
    const folder = resolve(cwd, args.configDir)
    if (!isFolder(folder)) throw new HydraError(`Additional config directory '${folder}' not found`)
    sources.push({ provider: 'command-line', folder, bundled: false })
  }
  return sources
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

export interface FoundWorkload {
  readonly path: string
  /** Another file of that name, which does not count because this one comes first. */
  readonly shadowed?: string
}

/** The file of `workload=NAME`. Throws HydraError in Hydra's shape, with what there is. */
export function findWorkload(sources: readonly ConfigSource[], name: string, parent: string): FoundWorkload {
  const base = name.replace(/\.ya?ml$/, '')
  const valid = /^[\w./ -]+$/.test(base) && !base.split('/').includes('..') && !base.startsWith('/')
  const path = (source: ConfigSource) => join(source.folder, source.bundled ? '' : 'workload', `${base}.yaml`)
  const ordered = notDlios.test(base) ? [...sources].sort((a, b) => Number(a.bundled) - Number(b.bundled)) : sources
  const paths = valid ? ordered.map(path).filter((file) => existsSync(file)) : []
  const [first, second] = paths
  if (first === undefined) throw new HydraError(missingWorkload(sources, name, parent))
  return { path: first, ...(second !== undefined && { shadowed: second }) }
}

function missingWorkload(sources: readonly ConfigSource[], name: string, parent: string): string {
  const options = workloadNames(sources)
    .map((option) => `\t${option}`)
    .join('\n')
  return `In '${parent}': Could not find 'workload/${name}'\n\nAvailable options in 'workload':\n${options}\n${describe(sources)}`
}

/** Names that `workload=` takes, sorted. */
export function workloadNames(sources: readonly ConfigSource[]): string[] {
  const names = new Set<string>()
  for (const source of sources)
    for (const name of source.bundled ? bundledNames() : ownNames(join(source.folder, 'workload'))) names.add(name)
  return [...names].sort()
}

function ownNames(folder: string): string[] {
  if (!isFolder(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
}

/** The search path as Hydra prints it. */
export function describe(sources: readonly ConfigSource[]): string {
  const own = sources.map(({ provider, folder }) => `\tprovider=${provider}, path=file://${folder}`)
  return ['Config search path:', '\tprovider=hydra, path=pkg://hydra.conf', ...own, '\tprovider=schema, path=structured://'].join('\n')
}
