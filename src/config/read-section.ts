// Applies the schema to one section of the tree: typed values with defaults, and everything that is wrong with what was given.
import { honourOfName } from './honour.js'
import { isSecret } from './problems.js'
import type { Report } from './report.js'
import { sections, topLevel } from './schema/index.js'
import type { KeySpec, Keys, Section, ValuesOf } from './schema/key.js'
import { profileNames } from './schema/profiles.js'
import { nearest } from './suggest.js'
import { type ConfigNode, type MapNode, toPlain } from './tree.js'

export interface SectionValues<K extends Keys> {
  readonly values: ValuesOf<K>
  /** Where a key (or a mapping of keys, such as `ksm`) was given; undefined where it was not. */
  given(key: (keyof K & string) | 'ksm'): ConfigNode | undefined
  /** Whether a key was given with a value that breaks its rule: rules that compare it with others are then silent. */
  broken(key: keyof K & string): boolean
}

/** Reads a section; `node` is undefined where the file has none. */
export function readSection<K extends Keys>(section: Section<K>, node: ConfigNode | undefined, report: Report): SectionValues<K> {
  const reading = new Reading(section, report)
  if (node !== undefined) reading.mapping(node, '')
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(section.keys)) values[name] = reading.values.has(name) ? reading.values.get(name) : spec.default
  return {
    values: values as ValuesOf<K>,
    given: (key) => reading.nodes.get(key),
    broken: (key) => reading.nodes.has(key) && !reading.values.has(key),
  }
}

class Reading {
  readonly values = new Map<string, unknown>()
  readonly nodes = new Map<string, ConfigNode>()
  private readonly nested: ReadonlySet<string>

  constructor(
    private readonly section: Section,
    private readonly report: Report,
  ) {
    this.nested = new Set(Object.keys(section.keys).flatMap((name) => (name.includes('.') ? [name.slice(0, name.indexOf('.'))] : [])))
  }

  /** A section, or a mapping inside one. `prefix`: its dotted name with a dot behind, or nothing. */
  mapping(node: ConfigNode, prefix: string): void {
    const path = fullPath(this.section.name, prefix.slice(0, -1))
    if (node.kind === 'scalar' && node.value === null) return // all keys of the section are commented out
    if (node.kind !== 'map') {
      this.report.badValue(node, path, { rule: 'must be a mapping of keys to values', remedy: `write keys below ${path}:, indented` })
      return
    }
    for (const [key, entry] of node.entries) {
      const name = prefix + key
      const spec = Object.hasOwn(this.section.keys, name) ? this.section.keys[name] : undefined
      if (spec) this.key(name, spec, entry.value)
      else if (prefix === '' && this.nested.has(key)) {
        this.nodes.set(key, entry.value)
        this.mapping(entry.value, `${key}.`)
      } else this.unknown(name, entry.key)
    }
  }

  private key(name: string, spec: KeySpec<unknown>, node: ConfigNode): void {
    const path = fullPath(this.section.name, name)
    this.nodes.set(name, node)
    const checked = spec.kind.check(toPlain(node))
    if (checked.ok) {
      this.values.set(name, checked.value)
      if (spec.ignored) this.report.ignoredKey(path)
      for (const { key, near } of checked.unknown ?? []) this.report.unknownKey(node.origin, `${path}.${key}`, near && `${path}.${near}`)
      return
    }
    for (const issue of checked.issues) {
      const { node: inner, path: innerPath } = descend(node, path, issue.path)
      this.report.badValue(inner, innerPath, { rule: issue.rule, remedy: issue.remedy ?? defaultRemedy(path, spec, inner) })
    }
  }

  private unknown(name: string, origin: Parameters<Report['unknownKey']>[0]): void {
    const meant = this.section.notRead && Object.hasOwn(this.section.notRead, name) ? this.section.notRead[name] : undefined
    const path = fullPath(this.section.name, name)
    if (this.section.name === 'model' && meant === 'model_size_bytes') {
      this.report.warn(
        'model-size',
        `${path} is no key of DLIO: checkpoints have model.model_size_bytes, ${this.section.keys[meant]?.default} bytes unless given; --honour model_size takes it`,
      )
      return
    }
    const honour = honourOfName(this.section.name, name)
    this.report.unknownKey(origin, path, meant ? fullPath(this.section.name, meant) : suggestKey(this.section, name), honour)
  }
}

/** The key that was probably meant: near in this section, or of that very name in another one. */
function suggestKey(section: Section, name: string): string | undefined {
  for (const other of Object.values<Section>(sections)) if (Object.hasOwn(other.keys, name)) return `${other.name}.${name}`
  const near = nearest(name, Object.keys(section.keys))
  return near && fullPath(section.name, near)
}

/** The section or key that an unknown name at the top was probably meant to be. */
export function suggestSection(name: string): string | undefined {
  return nearest(name, [...Object.keys(sections), ...Object.keys(topLevel.keys), ...profileNames]) ?? suggestKey(topLevel, name)
}

function fullPath(section: string, key: string): string {
  return section && key ? `${section}.${key}` : section + key
}

/** Follows a path into a list or mapping, as far as it exists. */
function descend(node: ConfigNode, path: string, inside: readonly (string | number)[]): { node: ConfigNode; path: string } {
  let at = node
  let text = path
  for (const part of inside) {
    const next = at.kind === 'list' ? at.items[Number(part)] : at.kind === 'map' ? at.entries.get(String(part))?.value : undefined
    text += typeof part === 'number' ? `[${part}]` : `.${part}`
    if (!next) break
    at = next
  }
  return { node: at, path: text }
}

function defaultRemedy(path: string, spec: KeySpec<unknown>, node: ConfigNode): string | undefined {
  if (isSecret(path)) return undefined
  const value = spec.default
  const shown = typeof value === 'object' ? undefined : String(value)
  const otherwise = spec.defaultText ?? shown
  if (otherwise === undefined) return node.kind === 'scalar' && node.value === null ? `give a value or delete the key` : undefined
  return `give such a value, or delete the key for the default, ${otherwise}`
}

export type AllValues = { readonly [S in keyof typeof sections]: SectionValues<(typeof sections)[S]['keys']> } & {
  readonly topLevel: SectionValues<(typeof topLevel)['keys']>
}

/** Reads all sections of a workload and names what belongs to none. */
export function readSections(workload: MapNode, report: Report): AllValues {
  const values: Record<string, SectionValues<Keys>> = {}
  for (const [name, section] of Object.entries<Section>(sections))
    values[name] = readSection(section, workload.entries.get(name)?.value, report)
  const top = new Map([...workload.entries].filter(([name]) => Object.hasOwn(topLevel.keys, name)))
  values.topLevel = readSection<Keys>(topLevel, { ...workload, entries: top }, report)
  for (const [name, entry] of workload.entries)
    if (!Object.hasOwn(sections, name) && !top.has(name)) report.unknownKey(entry.key, name, suggestSection(name))
  return values as unknown as AllValues
}
