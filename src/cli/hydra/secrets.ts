// A composition as it may be printed and kept. Hydra's own files would hold the keys and passwords of the command line.
import { hideSecret, isSecret } from '../../config/problems.js'
import { type ConfigNode, listNode, mapNode, scalarNode } from '../../config/tree.js'
import type { Composition } from './compose.js'

const hidden = '(hidden)'

/** The task overrides as they were given, secrets hidden. */
export const shownOverrides = ({ taskOverrides }: Composition): string[] => taskOverrides.map(({ text }) => hideSecret(text))

/** A copy of the composition in whose trees secrets are hidden: the values of their keys, and overrides that give them. */
export function withoutSecretValues(composition: Composition): Composition {
  const replaced = composition.taskOverrides.flatMap(({ text }): [string, string][] => {
    const shown = hideSecret(text)
    return shown === text ? [] : [[text, shown]]
  })
  const { job, hydra } = composition
  return { ...composition, job: cleaned(job, replaced), hydra: cleaned(hydra, replaced) }
}

function cleaned<Node extends ConfigNode>(node: Node, replaced: readonly [string, string][], key = ''): Node {
  return clean(node, replaced, key) as Node
}

function clean(node: ConfigNode, replaced: readonly [string, string][], key: string): ConfigNode {
  if (node.kind === 'list')
    return listNode(
      node.items.map((item) => clean(item, replaced, key)),
      node.origin,
    )
  if (node.kind === 'map')
    return mapNode(
      new Map([...node.entries].map(([name, entry]) => [name, { ...entry, value: clean(entry.value, replaced, name) }])),
      node.origin,
    )
  if (isSecret(key) && node.value !== null) return scalarNode(hidden, node.origin)
  if (typeof node.value !== 'string' || replaced.length === 0) return node
  let text = node.value
  for (const [given, shown] of replaced) text = text.replaceAll(given, shown)
  return text === node.value ? node : scalarNode(text, node.origin)
}
