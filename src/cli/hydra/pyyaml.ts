// A configuration as PyYAML dumps it in block style for OmegaConf (omegaconf: OmegaConf.to_yaml): two spaces a level, lists not indented.
import { type ConfigNode, listNode, type MapNode, mapNode, type Scalar, scalarNode } from '../../config/tree.js'
import { pythonFloat } from '../../output/python.js'
import { yamlString } from './pyyaml-scalar.js'

/** Beyond this a key stands on a line of its own behind `?`. */
const longestSimpleKey = 128

/** The text of a file; empty containers are `{}` and `[]`. */
export function dumpYaml(root: ConfigNode): string {
  if (root.kind === 'map' && root.entries.size > 0) return block(root, 0).slice(1)
  if (root.kind === 'list' && root.items.length > 0) return block(root, 0).slice(1)
  return `${inline(root, 0, 0)}\n`
}

/** A value that is not empty, one line for each entry, beginning with a line break. */
function block(node: ConfigNode, indent: number): string {
  const margin = ' '.repeat(indent)
  let text = ''
  if (node.kind === 'list') {
    for (const item of node.items) {
      // A container begins in the line of its dash.
      const content = isBlock(item) ? block(item, indent + 2).slice(1 + indent + 2) : `${inline(item, indent + 2, indent + 2)}\n`
      text += `${margin}- ${content}`
    }
  } else if (node.kind === 'map') {
    for (const [key, { value }] of node.entries) {
      const name = yamlString(key, { column: indent, indent: indent + 2, isKey: true })
      const head = name.length < longestSimpleKey ? `${margin}${name}:` : `${margin}? ${name}\n${margin}:`
      if (!isBlock(value)) text += `${head} ${inline(value, [...head.slice(head.lastIndexOf('\n') + 1)].length + 1, indent + 2)}\n`
      else if (value.kind === 'list') text += head + block(value, indent)
      else text += head + block(value, indent + 2)
    }
  }
  return `\n${text}`
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
