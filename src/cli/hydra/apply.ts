// Applies overrides to a composed configuration as Hydra does (hydra/_internal/config_loader_impl.py: _apply_overrides_to_config;
// omegaconf: OmegaConf.update): without a plus only keys that are there, mappings merge, everything else is replaced.
import { type ConfigNode, type ListNode, listNode, type MapNode, mapNode, toPlain } from '../../config/tree.js'
import { pythonLiteral } from '../../output/python.js'
import { HydraError } from './errors.js'
import type { OverrideLine } from './override-line.js'

/** The tree with one override applied. Throws HydraError with Hydra's message. */
export function applyOverride(root: MapNode, override: OverrideLine): MapNode {
  const { text, operator, key, value } = override
  const path = key.split('.')
  const found = select(root, path)
  if (operator === '~') {
    if (found === undefined || isNull(found)) throw new HydraError(`Could not delete from config. '${key}' does not exist.`)
    if (value !== undefined && !isNull(value) && !same(found, value))
      throw new HydraError(`Could not delete from config. The value of '${key}' is ${python(found)} and not ${python(value)}.`)
    return deleted(root, path) as MapNode
  }
  const given = value! // the grammar gives every override but ~ a value
  if (operator === '+' && found !== undefined && !isNull(found) && given.kind === 'scalar')
    throw new HydraError(
      `Could not append to config. An item is already at '${key}'.\nEither remove + prefix: '${text.slice(1)}'\n` +
        `Or add a second + to add or override '${key}': '+${text}'`,
    )
  if (operator === '') {
    const missing = missingKey(root, path, given)
    if (missing !== undefined)
      throw new HydraError(
        `Could not override '${key}'.\nTo append to your config use +${text}\n` +
          `Key '${missing.at(-1)}' is not in struct\n    full_key: ${missing.join('.')}\n    object_type=dict`,
      )
  }
  return updated(root, path, given, override) as MapNode
}

/** The node at a path; parts that are numbers are places in a list. */
export function select(root: ConfigNode, path: readonly string[]): ConfigNode | undefined {
  let node: ConfigNode | undefined = root
  for (const part of path) {
    if (node?.kind === 'map') node = node.entries.get(part)?.value
    else if (node?.kind === 'list') node = /^\d+$/.test(part) ? node.items[Number(part)] : undefined
    else return undefined
  }
  return node
}

/** Mappings merge into mappings; what is given otherwise replaces. */
export function merged(base: MapNode, addition: MapNode): MapNode {
  const entries = new Map(base.entries)
  for (const [key, { key: origin, value }] of addition.entries) {
    const old = entries.get(key)
    const next = old?.value.kind === 'map' && value.kind === 'map' ? merged(old.value, value) : value
    entries.set(key, { key: old?.key ?? origin, value: next })
  }
  return mapNode(entries, base.origin)
}

/** The first key that a change without a plus would add. */
function missingKey(root: MapNode, path: readonly string[], value: ConfigNode): readonly string[] | undefined {
  for (let length = 1; length <= path.length; length++) if (select(root, path.slice(0, length)) === undefined) return path.slice(0, length)
  const old = select(root, path)
  if (value.kind !== 'map' || old?.kind !== 'map') return undefined
  for (const [key, entry] of value.entries) {
    const missing = missingKey(root, [...path, key], entry.value)
    if (missing !== undefined) return missing
  }
  return undefined
}

function updated(node: ConfigNode | undefined, path: readonly string[], value: ConfigNode, override: OverrideLine): ConfigNode {
  const [part, ...rest] = path
  if (part === undefined) return node?.kind === 'map' && value.kind === 'map' ? merged(node, value) : value
  if (node?.kind === 'list') return updatedList(node, part, rest, value, override)
  // What is no mapping on the way becomes one.
  const entries = new Map(node?.kind === 'map' ? node.entries : [])
  const old = entries.get(part)
  entries.set(part, { key: old?.key ?? value.origin, value: updated(old?.value, rest, value, override) })
  return mapNode(entries, node?.kind === 'map' ? node.origin : value.origin)
}

function updatedList(list: ListNode, part: string, rest: readonly string[], value: ConfigNode, override: OverrideLine): ConfigNode {
  const index = Number(part)
  if (!/^\d+$/.test(part) || index >= list.items.length)
    throw new HydraError(
      `Error merging override ${override.text}\nKey '${part}' is no place in a list of ${list.items.length}\n` +
        `    full_key: ${override.key}\nremedy: give the whole list, as in ${override.key.slice(0, override.key.lastIndexOf('.'))}=[1,2]`,
    )
  return listNode(
    list.items.map((item, i) => (i === index ? updated(item, rest, value, override) : item)),
    list.origin,
  )
}

function deleted(node: ConfigNode, path: readonly string[]): ConfigNode {
  const [part, ...rest] = path
  if (node.kind === 'list') {
    const index = Number(part)
    const items =
      rest.length === 0 ? node.items.toSpliced(index, 1) : node.items.map((item, i) => (i === index ? deleted(item, rest) : item))
    return listNode(items, node.origin)
  }
  if (node.kind !== 'map' || part === undefined) return node
  const entries = new Map(node.entries)
  const old = entries.get(part)
  if (rest.length === 0) entries.delete(part)
  else if (old !== undefined) entries.set(part, { key: old.key, value: deleted(old.value, rest) })
  return mapNode(entries, node.origin)
}

function isNull(node: ConfigNode): boolean {
  return node.kind === 'scalar' && node.value === null
}

function same(a: ConfigNode, b: ConfigNode): boolean {
  return JSON.stringify(toPlain(a)) === JSON.stringify(toPlain(b))
}

function python(node: ConfigNode): string {
  return node.kind === 'scalar' && typeof node.value === 'string' ? node.value : pythonLiteral(toPlain(node))
}
