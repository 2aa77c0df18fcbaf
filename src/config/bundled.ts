// The workloads that ship, in `configs/`.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../package.js'
import { configError, problemAt } from './problems.js'
import { nearest } from './suggest.js'
import { commandLine } from './tree.js'

const folder = join(packageRoot, 'configs/')
const suffix = '.yaml'

/** Names of all bundled workloads, sorted. */
export function bundledNames(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .sort()
}

/** Path of a bundled workload. Throws ConfigError, with the nearest name, when there is none of that name. */
export function bundledConfig(name: string): string {
  const path = /^[\w.-]+$/.test(name) ? join(folder, name + suffix) : undefined
  if (path !== undefined && existsSync(path)) return path
  const names = bundledNames()
  const near = nearest(name, names)
  const remedy = near ? `did you mean ${near}?` : `give the path of a file, or one of: ${names.join(', ')}`
  const rule = 'CONFIG is a file, or the name of a bundled workload; this is neither'
  throw configError([problemAt({ source: { name: commandLine, lines: [name] } }, '', { rule, remedy, value: name })])
}

export interface ConfigLocation {
  /** What people call it: the bundled name, or the path as given. */
  readonly name: string
  readonly path: string
}

/** What the argument CONFIG means: a bundled name goes before a file of that name in the working directory; a path is a path. */
export function locateConfig(config: string, cwd: string): ConfigLocation {
  const file = join(cwd, config)
  const path = config.startsWith('/') ? config : file
  if (/[/\\]|\.(?:ya?ml|json)$/.test(config)) return { name: config, path }
  if (existsSync(join(folder, config + suffix)) || !existsSync(path) || config === '') return { name: config, path: bundledConfig(config) }
  return { name: config, path }
}
