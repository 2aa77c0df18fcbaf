// OmegaConf's `${…}`: other values, and the resolvers that Hydra's and DLIO's configurations use (now, oc.env, hydra).
import { type ConfigNode, listNode, type MapNode, mapNode, scalarNode } from '../../config/tree.js'
import { pythonLiteral } from '../../output/python.js'
import { select } from './apply.js'
import { HydraError } from './errors.js'

const maxDepth = 16
/** Bounds on what values that refer to each other twice can expand to. */
const maxNodes = 100_000
const maxText = 1 << 16

export interface Interpolation {
  /** The whole configuration: the job's keys and `hydra`. */
  readonly root: MapNode
  readonly now: Date
  readonly env: NodeJS.ProcessEnv
}

/** A copy of a node with all references replaced. `path`: where it stands in the configuration. Throws HydraError. */
export function interpolateAll(node: ConfigNode, context: Interpolation, path: readonly string[] = []): ConfigNode {
  return new Resolver(context).all(node, path, 0)
}

class Resolver {
  private nodes = 0

  constructor(private readonly context: Interpolation) {}

  all(node: ConfigNode, path: readonly string[], depth: number): ConfigNode {
    if (this.nodes++ > maxNodes) throw tooMuch(path)
    if (node.kind === 'list')
      return listNode(
        node.items.map((item, i) => this.all(item, [...path, String(i)], depth)),
        node.origin,
      )
    if (node.kind === 'map')
      return mapNode(
        new Map([...node.entries].map(([key, entry]) => [key, { key: entry.key, value: this.all(entry.value, [...path, key], depth) }])),
        node.origin,
      )
    if (typeof node.value !== 'string' || !node.value.includes('${')) return node
    const found = this.text(node.value, path, depth)
    // A problem with the value is shown where the reference stands.
    return found.kind === 'scalar' ? { ...found, origin: node.origin } : found
  }

  /** Text with references; one that is a reference and nothing else has its target's type. */
  private text(text: string, path: readonly string[], depth: number): ConfigNode {
    if (depth > maxDepth || this.nodes++ > maxNodes) throw tooMuch(path)
    const origin = { source: { name: 'interpolation', lines: [text] } }
    let result = ''
    for (let at = 0; at < text.length; ) {
      const begin = text.indexOf('${', at)
      if (begin < 0) {
        result += text.slice(at)
        break
      }
      const end = closing(text, begin)
      if (end === undefined) throw new HydraError(`Interpolation '${text}' is never closed\n    full_key: ${path.join('.')}`)
      const inner = this.plainText(text.slice(begin + 2, end), path, depth + 1)
      const node = this.reference(inner, path, depth + 1)
      if (begin === 0 && end === text.length - 1) return node
      result += text.slice(at, begin) + asText(node, text)
      if (result.length > maxText) throw tooMuch(path)
      at = end + 1
    }
    return scalarNode(result, origin)
  }

  private plainText(text: string, path: readonly string[], depth: number): string {
    return text.includes('${') ? asText(this.text(text, path, depth), text) : text
  }

  private reference(inner: string, path: readonly string[], depth: number): ConfigNode {
    const [, resolver, argument = ''] = /^\s*([A-Za-z_][\w.]*):([\s\S]*)$/.exec(inner) ?? []
    if (resolver !== undefined) return this.resolved(resolver, argument, path, depth)
    const target = targetPath(inner.trim(), path)
    const node = select(this.context.root, target)
    if (node === undefined) throw new HydraError(`Interpolation key '${inner.trim()}' not found\n    full_key: ${path.join('.')}`)
    return this.all(node, target, depth)
  }

  private resolved(resolver: string, argument: string, path: readonly string[], depth: number): ConfigNode {
    const origin = { source: { name: 'interpolation', lines: [`${resolver}:${argument}`] } }
    if (resolver === 'now') return scalarNode(strftime(argument, this.context.now), origin)
    if (resolver === 'hydra') return this.reference(`hydra.${argument}`, path, depth)
    if (resolver === 'oc.env') {
      const [name = '', fallback] = argument.split(/,([\s\S]*)/)
      const value = this.context.env[name.trim()] ?? fallback?.trim().replace(/^(['"])(.*)\1$/s, '$2')
      if (value === undefined) throw new HydraError(`Environment variable '${name.trim()}' not found\n    full_key: ${path.join('.')}`)
      return scalarNode(value, origin)
    }
    throw new HydraError(
      `Unsupported interpolation type ${resolver}\n    full_key: ${path.join('.')}\nremedy: write the value itself; now, oc.env and hydra are known`,
    )
  }
}

function tooMuch(path: readonly string[]): HydraError {
  return new HydraError(`Interpolations refer to themselves, or to too many others\n    full_key: ${path.join('.')}`)
}

/** `a.b[0]` from the root; a leading dot is the reference's own mapping, each further one its parent. */
function targetPath(text: string, path: readonly string[]): string[] {
  const dots = /^\.*/.exec(text)![0].length
  const keys = text.slice(dots).replace(/\[([^\]]*)\]/g, '.$1')
  return [...(dots > 0 ? path.slice(0, Math.max(0, path.length - dots)) : []), ...keys.split('.').filter((key) => key !== '')]
}

function closing(text: string, begin: number): number | undefined {
  let depth = 0
  for (let at = begin; at < text.length; at++) {
    if (text.startsWith('${', at)) depth++
    else if (text[at] === '}' && --depth === 0) return at
  }
  return undefined
}

/** As Python writes a value into text. */
function asText(node: ConfigNode, text: string): string {
  if (node.kind !== 'scalar') throw new HydraError(`Interpolation '${text}': a ${node.kind} cannot become part of text`)
  return typeof node.value === 'string' ? node.value : pythonLiteral(node.value)
}

/** The directives of dates and times that are the same in all locales. */
function strftime(format: string, now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const parts: Readonly<Record<string, () => string>> = {
    Y: () => String(now.getFullYear()),
    y: () => two(now.getFullYear() % 100),
    m: () => two(now.getMonth() + 1),
    d: () => two(now.getDate()),
    H: () => two(now.getHours()),
    M: () => two(now.getMinutes()),
    S: () => two(now.getSeconds()),
    f: () => String(now.getMilliseconds() * 1000).padStart(6, '0'),
    j: () =>
      String(
        Math.round((Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(now.getFullYear(), 0, 0)) / 86_400_000),
      ).padStart(3, '0'),
    '%': () => '%',
  }
  return format.replace(/%(.)/g, (whole, letter: string) => (Object.hasOwn(parts, letter) ? parts[letter]!() : whole))
}
