// A configuration as a tree in which every value knows where it was written, so that any rule broken later can be shown in its place.

/** A text that values come from: a file, or one override of the command line. */
export interface Source {
  /** What people see: the file's path as they gave it, or `command line`. */
  readonly name: string
  readonly lines: readonly string[]
}

/** The name of the source of all overrides. */
export const commandLine = 'command line'

/** A place in a source. Overrides are one line long and have neither line nor column. */
export interface Origin {
  readonly source: Source
  /** 1-based. */
  readonly line?: number
  /** 1-based, in UTF-16 units. */
  readonly column?: number
}

export type Scalar = string | number | boolean | null

interface NodeBase {
  readonly origin: Origin
  /** Number of nodes below and including this one when aliases are written out; what bounds the work on hostile files. */
  readonly size: number
}
export interface ScalarNode extends NodeBase {
  readonly kind: 'scalar'
  readonly value: Scalar
  /** A number that Python reads as a float: `1e3` and `1.0` are, though JavaScript cannot tell them from `1000` and `1`. */
  readonly isFloat?: true
}
export interface ListNode extends NodeBase {
  readonly kind: 'list'
  readonly items: readonly ConfigNode[]
}
export interface MapNode extends NodeBase {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, Entry>
}
export interface Entry {
  /** Where the key stands. */
  readonly key: Origin
  readonly value: ConfigNode
}
/** Nodes never change: an alias in a file may put one node in several places. */
export type ConfigNode = ScalarNode | ListNode | MapNode

export function scalarNode(value: Scalar, origin: Origin, isFloat = false): ScalarNode {
  return { kind: 'scalar', value, origin, size: 1, ...(isFloat && { isFloat }) }
}

export function listNode(items: readonly ConfigNode[], origin: Origin): ListNode {
  return { kind: 'list', items, origin, size: items.reduce((sum, item) => sum + item.size, 1) }
}

export function mapNode(entries: ReadonlyMap<string, Entry>, origin: Origin): MapNode {
  let size = 1
  for (const { value } of entries.values()) size += value.size
  return { kind: 'map', entries, origin, size }
}

/** The node at a path of keys, or undefined. */
export function nodeAt(root: ConfigNode, path: readonly string[]): ConfigNode | undefined {
  let node: ConfigNode | undefined = root
  for (const key of path) {
    if (node?.kind !== 'map') return undefined
    node = node.entries.get(key)?.value
  }
  return node
}

/** A copy of `root` with `value` at `path`; what is no map on the way becomes one. A map given for a map is merged into it, as Hydra does. */
export function withNode(root: MapNode, path: readonly string[], value: ConfigNode): MapNode {
  const [key, ...rest] = path
  if (key === undefined) return value.kind === 'map' ? merged(root, value) : root
  const entries = new Map(root.entries)
  const old = entries.get(key)
  let next = value
  if (rest.length > 0) next = withNode(old?.value.kind === 'map' ? old.value : mapNode(new Map(), value.origin), rest, value)
  else if (value.kind === 'map' && old?.value.kind === 'map') next = merged(old.value, value)
  entries.set(key, { key: old?.key ?? value.origin, value: next })
  return mapNode(entries, root.origin)
}

function merged(base: MapNode, addition: MapNode): MapNode {
  let result = base
  for (const [key, { value }] of addition.entries) result = withNode(result, [key], value)
  return mapNode(result.entries, addition.origin)
}

/** A copy of `root` without the entry at `path`, which exists. */
export function withoutNode(root: MapNode, path: readonly [string, ...string[]]): MapNode {
  const [key, ...rest] = path
  const entries = new Map(root.entries)
  const old = entries.get(key)
  const [next, ...deeper] = rest
  if (next === undefined) entries.delete(key)
  else if (old?.value.kind === 'map') entries.set(key, { key: old.key, value: withoutNode(old.value, [next, ...deeper]) })
  return mapNode(entries, root.origin)
}

/** The tree as plain values. Keys such as `__proto__` become ordinary own properties. */
export function toPlain(node: MapNode): Record<string, unknown>
export function toPlain(node: ConfigNode): unknown
export function toPlain(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map((item) => toPlain(item))
  const result: Record<string, unknown> = {}
  for (const [key, { value }] of node.entries)
    Object.defineProperty(result, key, { value: toPlain(value), enumerable: true, writable: true, configurable: true })
  return result
}
