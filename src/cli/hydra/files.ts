// Configuration files as Hydra composes them: the primary one, and workloads built from others of their group by `defaults:`.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readText } from '../../config/read-text.js'
import { type ConfigNode, type MapNode, mapNode, toPlain } from '../../config/tree.js'
import { parseYaml } from '../../config/yaml-file.js'
import { merged } from './apply.js'
import { HydraError } from './errors.js'
import { type ConfigSource, describe, findWorkload } from './search-path.js'

const maxFilesDeep = 8

export interface Primary {
  /** Keys of the job that stand in the file itself. */
  readonly root: MapNode
  readonly hydra: MapNode
  /** The workload that counts unless the command line names one. */
  readonly workload: string | undefined
  /** Whether the file's own keys go on top of the workload's; DLIO's has the workload last. */
  readonly ownLast: boolean
}

/** The bundled primary configuration is DLIO's: it names the workload `default` and nothing else that a job sees. */
export function readPrimary(sources: readonly ConfigSource[], name: string): Primary {
  for (const { folder, bundled } of sources) {
    if (bundled && name === 'config') return { root: empty, hydra: empty, workload: 'default', ownLast: false }
    const path = join(folder, `${name.replace(/\.yaml$/, '')}.yaml`)
    if (bundled || !existsSync(path)) continue
    const file = parseYaml(readText(path, path), path)
    const { items, rest } = takeDefaults(file, path)
    const hydra = rest.entries.get('hydra')?.value
    return {
      root: without(rest, 'hydra'),
      hydra: hydra?.kind === 'map' ? hydra : empty,
      workload: items.findLast((item) => item.group === 'workload')?.name,
      ownLast: items.findIndex((item) => item.group === 'workload') < self(items),
    }
  }
  throw new HydraError(`Cannot find primary config '${name}'. Check that it's in your config search path.\n\n${describe(sources)}`)
}

export interface WorkloadTree {
  readonly node: MapNode
  readonly path: string
  /** A warning where a file of --config-dir does not count. */
  readonly warning?: string
}

/** The workload of a name, composed. Throws HydraError, and ConfigError for files that are no YAML. */
export function readWorkload(sources: readonly ConfigSource[], name: string, parent: string, depth = 0): WorkloadTree {
  if (depth > maxFilesDeep) throw new HydraError(`In '${parent}': the defaults lists of workloads refer to each other without end`)
  const { path, shadowed } = findWorkload(sources, name, parent)
  const file = parseYaml(readText(path, path), path)
  const { items, rest } = takeDefaults(file, path)
  let node: MapNode = mapNode(new Map(), file.origin)
  for (const item of items) {
    if (item.name === '_self_') node = merged(node, rest)
    else if (item.group === undefined)
      node = merged(node, readWorkload(sources, item.name.replace(/^\/workload\//, ''), `workload/${name}`, depth + 1).node)
  }
  if (shadowed === undefined || sameContent(file, shadowed)) return { node, path }
  const warning = `workload=${name} is ${path}, as in DLIO, where bundled workloads go first; ${shadowed} differs and is not read: give it another name`
  return { node, path, warning }
}

interface DefaultsItem {
  readonly group: string | undefined
  readonly name: string
}

/** The defaults list of a file, with `_self_` at its end where the list has none. */
function takeDefaults(file: MapNode, path: string): { items: DefaultsItem[]; rest: MapNode } {
  const node = file.entries.get('defaults')?.value
  if (node === undefined) return { items: [{ group: undefined, name: '_self_' }], rest: file }
  if (node.kind !== 'list') throw new HydraError(`In '${path}': defaults must be a list`)
  const items = node.items.map((item) => defaultsItem(item, path)).filter((item) => item !== undefined)
  if (!items.some(({ name }) => name === '_self_')) items.push({ group: undefined, name: '_self_' })
  return { items, rest: without(file, 'defaults') }
}

/** `- name` or `- group: name`; picks of Hydra's own groups have no effect on a job. */
function defaultsItem(node: ConfigNode, path: string): DefaultsItem | undefined {
  if (node.kind === 'scalar' && typeof node.value === 'string') return { group: undefined, name: node.value }
  const [entry, ...more] = node.kind === 'map' ? [...node.entries] : []
  if (entry === undefined || more.length > 0) throw new HydraError(`In '${path}': a defaults list has entries such as - workload: NAME`)
  const [key, { value }] = entry
  const group = key.replace(/^(?:override|optional)\s+/, '').replace(/^\//, '')
  if (group.startsWith('hydra/')) return undefined
  if (group !== 'workload' || value.kind !== 'scalar')
    throw new HydraError(`In '${path}': the defaults entry ${key} is not supported; workload: NAME is`)
  return typeof value.value === 'string' ? { group, name: value.value } : undefined
}

function self(items: readonly DefaultsItem[]): number {
  return items.findIndex(({ name }) => name === '_self_')
}

function without(map: MapNode, key: string): MapNode {
  const entries = new Map(map.entries)
  entries.delete(key)
  return mapNode(entries, map.origin)
}

const empty: MapNode = mapNode(new Map(), { source: { name: 'Hydra', lines: [] } })

function sameContent(file: MapNode, path: string): boolean {
  return JSON.stringify(toPlain(file)) === JSON.stringify(toPlain(parseYaml(readText(path, path), path)))
}
