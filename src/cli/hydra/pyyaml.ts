// A configuration as PyYAML dumps it in block style for OmegaConf (omegaconf: OmegaConf.to_yaml): two spaces a level, lists not indented.
import { isSecret } from '../../config/problems.js'
import { type ConfigNode, listNode, type MapNode, mapNode, type Scalar, scalarNode } from '../../config/tree.js'
import { pythonFloat } from '../../output/python.js'
import { yamlString } from './pyyaml-scalar.js'

/** Longer keys, empty ones and those of several lines stand behind a `?` (emitter.py: check_simple_key, which counts `!!str` too). */
const longestSimpleKey = 122

/** The text of a file, without the values of secrets; empty containers are `{}` and `[]`. */
export function dumpYaml(configuration: ConfigNode): string {
  const root = hideSecrets(configuration)
  if (root.kind === 'map' && root.entries.size > 0) return block(root, 0).slice(1)
  if (root.kind === 'list' && root.items.length > 0) return block(root, 0).slice(1)
  return `${inline(root, 0, 0)}\n`
}

/** DLIO's own writes secrets out; its folders of results are given away. */
function hideSecrets(node: ConfigNode, key = ''): ConfigNode {
  if (node.kind === 'list')
    return listNode(
      node.items.map((item) => hideSecrets(item, key)),
      node.origin,
    )
  if (node.kind === 'map') {
    const entries = [...node.entries].map(([name, entry]) => [name, { ...entry, value: hideSecrets(entry.value, name) }] as const)
    return mapNode(new Map(entries), node.origin)
  }
  return isSecret(key) && node.value !== null ? scalarNode('(hidden)', node.origin) : node
}

/** A value that is not empty, one line for each entry, beginning with a line break. */
function block(node: ConfigNode, indent: number): string {
  const margin = ' '.repeat(indent)
  let text = ''
  if (node.kind === 'list') {
    for (const item of node.items) {
      text += `${margin}- ${insideLine(item, indent)}`
    }
  } else if (node.kind === 'map') {
    for (const [key, { value }] of node.entries) {
      if (isSimpleKey(key)) {
        const head = `${margin}${yamlString(key, { column: indent, indent: indent + 2, isKey: true })}:`
        if (!isBlock(value)) text += `${head} ${inline(value, [...head].length + 1, indent + 2)}\n`
        else text += head + block(value, value.kind === 'list' ? indent : indent + 2)
      } else {
        const place = { column: indent + 2, indent: indent + 2 }
        text += `${margin}? ${yamlString(key, place)}\n${margin}: ${insideLine(value, indent)}`
      }
    }
  }
  return `\n${text}`
}

/** A value that begins in the line of its dash or colon, which stands at `indent`. */
function insideLine(node: ConfigNode, indent: number): string {
  return isBlock(node) ? block(node, indent + 2).slice(1 + indent + 2) : `${inline(node, indent + 2, indent + 2)}\n`
}

function isSimpleKey(key: string): boolean {
  return key !== '' && [...key].length <= longestSimpleKey && !/[\n\u0085\u2028\u2029]/.test(key)
}

function isBlock(node: ConfigNode): boolean {
  return (node.kind === 'map' && node.entries.size > 0) || (node.kind === 'list' && node.items.length > 0)
}

function inline(node: ConfigNode, column: number, indent: number): string {
  if (node.kind === 'map') return '{}'
  if (node.kind === 'list') return '[]'
  const { value } = node
  if (value === null) return 'null'
  if (typeof value === 'string') return yamlString(value, { column, indent })
  if (typeof value === 'boolean') return String(value)
  return node.isFloat === true || !Number.isInteger(value) ? yamlFloat(value) : BigInt(value).toString()
}

/** yaml/representer.py: represent_float. */
function yamlFloat(value: number): string {
  if (Number.isNaN(value)) return '.nan'
  if (!Number.isFinite(value)) return value < 0 ? '-.inf' : '.inf'
  const text = pythonFloat(value)
  return text.includes('.') ? text : text.replace('e', '.0e')
}

/** What {@link plainNode} takes. Numbers are ints. */
export type Plain = Scalar | ConfigNode | readonly Plain[] | { readonly [key: string]: Plain }

const nowhere = { source: { name: 'Hydra', lines: [] } }

/** Plain values as a tree. Nodes stay as they are. */
export function plainNode(value: { readonly [key: string]: Plain }): MapNode
export function plainNode(value: Plain): ConfigNode
export function plainNode(value: Plain): ConfigNode {
  if (value === null || typeof value !== 'object') return scalarNode(value, nowhere)
  if (Array.isArray(value)) return listNode(value.map(plainNode), nowhere)
  if ('kind' in value && 'origin' in value) return value as ConfigNode
  const entries = Object.entries(value as { readonly [key: string]: Plain })
  return mapNode(new Map(entries.map(([key, item]) => [key, { key: nowhere, value: plainNode(item) }])), nowhere)
}
