// Turns YAML (or JSON) text into a tree with positions. Files are not trusted: depth and what aliases expand to are bounded, and every
// defect becomes a problem with its place.

import type { Alias, Node, Pair, Scalar, YAMLError, YAMLMap, YAMLSeq } from 'yaml'
import * as yaml from 'yaml'
import type { ConfigProblem } from '../errors.js'
import { type Complaint, configError, problemAt } from './problems.js'
import { type ConfigNode, type Entry, listNode, type MapNode, mapNode, type Origin, type Source, scalarNode } from './tree.js'
import { isPlainFloat, resolvePlainScalar } from './yaml-scalars.js'

const maxDepth = 32
const maxNodes = 100_000
const maxProblems = 20

/** Parses YAML text; `name` is what problems call its file. Throws ConfigError with everything that is wrong in the text. */
export function parseYaml(text: string, name: string): MapNode {
  const source: Source = { name, lines: text.split(/\r\n|\r|\n/) }
  const lineCounter = new yaml.LineCounter()
  const place = (offset: number): Origin => {
    const { line, col } = lineCounter.linePos(Math.min(offset, text.length))
    return { source, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const document = parseDocument(text, lineCounter, source)
  const faults = firstOfEachPlace([...document.errors, ...document.warnings])
  if (faults.length > 0)
    throw configError(faults.slice(0, maxProblems).map((fault) => problemAt(place(fault.pos[0]), '', syntaxComplaint(fault))))
  const walk = new Walk(place)
  const root = walk.node(document.contents, '', 0, 0)
  if (walk.problems.length > 0) throw configError(walk.problems)
  if (root.kind === 'map') return root
  const seen = root.kind === 'list' ? 'holds a list' : root.value === null ? 'is empty' : 'holds a single value'
  throw configError([
    problemAt(root.origin, '', {
      rule: `a workload is a mapping of sections (dataset:, reader:, train:, …); this file ${seen}`,
      remedy: 'name a DLIO workload file',
    }),
  ])
}

/** One defect often breaks several rules of the grammar at one place; the first says it. */
function firstOfEachPlace(faults: readonly YAMLError[]): YAMLError[] {
  return [...new Map([...faults].reverse().map((fault) => [fault.pos[0], fault])).values()].reverse()
}

function parseDocument(text: string, lineCounter: import('yaml').LineCounter, source: Source) {
  try {
    // 'failsafe' leaves all scalars as they are written: what they mean is PyYAML's rule. Duplicate keys are found by the walk, in
    // linear time. The log level 'silent' would hide a second document.
    return yaml.parseDocument(text, { schema: 'failsafe', lineCounter, uniqueKeys: false, prettyErrors: false, logLevel: 'error' })
  } catch (error) {
    // The parser is recursive: thousands of open brackets end it this way.
    if (error instanceof RangeError) throw configError([problemAt({ source }, '', tooDeep)])
    throw error
  }
}

const tooDeep: Complaint = { rule: `values are nested at most ${maxDepth} levels deep`, remedy: 'name a DLIO workload file' }
const tooMany: Complaint = {
  rule: `a file expands to at most ${maxNodes} values, aliases (*name) written out`,
  remedy: 'write the values out instead of referring to them',
}

function syntaxComplaint(fault: YAMLError): Complaint {
  switch (fault.code) {
    case 'TAB_AS_INDENT':
      return { rule: 'YAML is indented with spaces, never with tabs', remedy: 'replace the tab by spaces' }
    case 'MULTIPLE_DOCS':
      return { rule: 'a file holds one YAML document', remedy: 'delete what follows the second ---' }
    case 'TAG_RESOLVE_FAILED':
      return { rule: `values carry no tags (${fault.message})`, remedy: 'write the value without its ! tag' }
    case 'RESOURCE_EXHAUSTION':
      return tooDeep
    default:
      return { rule: `the file must be valid YAML: ${fault.message}` }
  }
}

/** Turns the parser's nodes into ours, collecting problems; throws at once where going on could take too long. */
class Walk {
  readonly problems: ConfigProblem[] = []
  /** Anchors met so far; an alias means the last one of its name before it, so none can contain itself. */
  private readonly anchors = new Map<string, ConfigNode>()
  private count = 0

  constructor(private readonly place: (offset: number) => Origin) {}

  /** `offset`: where an absent value would stand. */
  node(node: unknown, path: string, depth: number, offset: number): ConfigNode {
    const origin = this.place((node as Node | null)?.range?.[0] ?? offset)
    if (this.count++ > maxNodes) throw configError([problemAt(origin, path, tooMany)])
    if (depth > maxDepth) throw configError([problemAt(origin, path, tooDeep)])
    if (yaml.isAlias(node)) return this.alias(node, origin, path)
    const result = this.value(node, origin, path, depth)
    if (result.size > maxNodes) throw configError([problemAt(origin, path, tooMany)])
    const anchor = (node as Scalar | null)?.anchor
    if (anchor) this.anchors.set(anchor, result)
    return result
  }

  private value(node: unknown, origin: Origin, path: string, depth: number): ConfigNode {
    if (yaml.isMap(node)) return this.map(node, origin, path, depth)
    if (yaml.isSeq(node)) return this.list(node, origin, path, depth)
    if (!yaml.isScalar(node)) return scalarNode(null, origin)
    const text = String(node.value)
    if (node.type !== 'PLAIN' || node.tag !== undefined) return scalarNode(text, origin)
    return scalarNode(resolvePlainScalar(text), origin, isPlainFloat(text))
  }

  private list(node: YAMLSeq, origin: Origin, path: string, depth: number): ConfigNode {
    const begin = node.range?.[0] ?? 0
    return listNode(
      node.items.map((item, i) => this.node(item, `${path}[${i}]`, depth + 1, begin)),
      origin,
    )
  }

  private map(node: YAMLMap, origin: Origin, path: string, depth: number): ConfigNode {
    const own = new Map<string, Entry>()
    const inherited = new Map<string, Entry>()
    for (const pair of node.items as Pair<Node | null, Node | null>[]) {
      const keyOrigin = this.place(pair.key?.range?.[0] ?? node.range?.[0] ?? 0)
      if (!yaml.isScalar(pair.key)) {
        this.complain(keyOrigin, path, { rule: 'a key is a plain word', remedy: 'no key of DLIO is a list, a mapping or an alias' })
        continue
      }
      const key = String(pair.key.value)
      const keyPath = path ? `${path}.${key}` : key
      const value = this.node(pair.value, keyPath, depth + 1, pair.key.range?.[1] ?? 0)
      const earlier = own.get(key)
      if (key === '<<' && pair.key.type === 'PLAIN') this.merge(inherited, value, keyPath)
      else if (earlier)
        this.complain(keyOrigin, keyPath, {
          rule: `a key stands once in its mapping; this one is at line ${earlier.key.line} already`,
          remedy: 'delete one of the two',
        })
      else own.set(key, { key: keyOrigin, value })
    }
    for (const [key, entry] of own) inherited.set(key, entry)
    return mapNode(inherited, origin)
  }

  /** `<<: *base`: entries of the named mapping that the mapping itself does not give. */
  private merge(into: Map<string, Entry>, value: ConfigNode, path: string): void {
    for (const base of value.kind === 'list' ? value.items : [value]) {
      if (base.kind !== 'map') this.complain(base.origin, path, { rule: '<< takes a mapping or a list of mappings' })
      else for (const [key, entry] of base.entries) if (!into.has(key)) into.set(key, entry)
    }
  }

  private alias(node: Alias, origin: Origin, path: string): ConfigNode {
    const target = this.anchors.get(node.source)
    if (target) return target
    this.complain(origin, path, {
      rule: `the alias *${node.source} needs an anchor &${node.source} that ends before it`,
      remedy: 'write the value out',
    })
    return scalarNode(null, origin)
  }

  private complain(origin: Origin, path: string, complaint: Complaint): void {
    if (this.problems.length < maxProblems) this.problems.push(problemAt(origin, path, complaint))
  }
}
