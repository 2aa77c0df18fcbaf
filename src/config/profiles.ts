// Framework profiles as they are given: gathered from all their spellings, merged, and read against the schema. Unlike DLIO's sections an
// unknown key is an error here: no program exists that would ignore it.
import type { Report } from './report.js'
import { placeOf } from './report.js'
import type { KeySpec, Keys, ValuesOf } from './schema/key.js'
import { generalProfileKey, profileAliases, profileNames, profileSections, profilesKey } from './schema/profiles.js'
import { nearest } from './suggest.js'
import { type ConfigNode, commandLine, type MapNode, mapNode, type Origin, toPlain } from './tree.js'
import type { FrameworkName } from './workload.js'

const frameworks = Object.keys(profileSections) as FrameworkName[]

/** One mapping of profile keys, and where it stands. */
interface Spelling {
  readonly path: string
  readonly node: ConfigNode
}

export interface GivenProfiles {
  /** Frameworks that have a profile under their own name, in the order pytorch, tensorflow, jax. */
  readonly present: readonly FrameworkName[]
  /** All mappings that count for a framework that applies (`general`: with `framework_config`). */
  spellings(framework: FrameworkName, general: boolean): readonly Spelling[]
}

/** A key of a profile, as given. */
export interface GivenKey {
  readonly path: string
  readonly node: ConfigNode
}

export interface ProfileValues<F extends FrameworkName = FrameworkName> {
  readonly framework: F
  readonly values: ValuesOf<(typeof profileSections)[F]['keys']>
  given(key: string): GivenKey | undefined
}

/** Takes the profiles out of a workload. `beside`: the file's own top level where the workload stands under `workload:`. */
export function takeProfiles(root: MapNode, beside: MapNode | undefined, report: Report): { rest: MapNode; profiles: GivenProfiles } {
  const own: Record<FrameworkName, Spelling[]> = { pytorch: [], tensorflow: [], jax: [] }
  const general: Spelling[] = []
  for (const level of beside === undefined ? [root] : [root, beside])
    for (const [name, { value }] of level.entries) {
      const framework = profileAliases.get(name)
      if (framework !== undefined) own[framework].push({ path: name, node: value })
      else if (name === generalProfileKey) general.push({ path: name, node: value })
      else if (name === profilesKey) gather(value, own, report)
    }
  const entries = new Map([...root.entries].filter(([name]) => !profileNames.includes(name)))
  return {
    rest: mapNode(entries, root.origin),
    profiles: {
      present: frameworks.filter((framework) => own[framework].length > 0),
      spellings: (framework, applies) => [...own[framework], ...(applies ? general : [])],
    },
  }
}

function gather(node: ConfigNode, own: Record<FrameworkName, Spelling[]>, report: Report): void {
  if (node.kind === 'scalar' && node.value === null) return
  if (node.kind !== 'map') {
    const remedy = `write ${profilesKey}: {pytorch: {...}}`
    report.badValue(node, profilesKey, { rule: `must be a mapping of frameworks (${frameworks.join(', ')}) to their keys`, remedy })
    return
  }
  for (const [name, { key, value }] of node.entries) {
    const framework = frameworks.find((known) => known === name)
    if (framework === undefined) unknown(key, `${profilesKey}.${name}`, 'is no framework', nearest(name, frameworks), frameworks, report)
    else own[framework].push({ path: `${profilesKey}.${name}`, node: value })
  }
}

/** Reads one framework's profile. What is wrong goes to the report. */
export function readProfile<F extends FrameworkName>(framework: F, spellings: readonly Spelling[], report: Report): ProfileValues<F> {
  const keys: Keys = profileSections[framework].keys
  const given = new Map<string, GivenKey>()
  for (const { path, node } of spellings) {
    if (node.kind === 'scalar' && node.value === null) continue
    if (node.kind !== 'map') {
      report.badValue(node, path, { rule: 'must be a mapping of keys to values', remedy: `write keys below ${path}:, indented` })
      continue
    }
    for (const [name, { key, value }] of node.entries) {
      const here = { path: `${path}.${name}`, node: value }
      if (!Object.hasOwn(keys, name))
        unknown(key, here.path, `is no key of a ${framework} profile`, nearest(name, Object.keys(keys)), Object.keys(keys), report)
      else merge(given, name, here, report)
    }
  }
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(keys)) values[name] = checkedValue(spec, given.get(name), report)
  return { framework, values: values as ProfileValues<F>['values'], given: (key) => given.get(key) }
}

function checkedValue(spec: KeySpec<unknown>, given: GivenKey | undefined, report: Report): unknown {
  if (given === undefined) return spec.default
  const checked = spec.kind.check(toPlain(given.node))
  if (checked.ok) return checked.value
  for (const { rule, remedy } of checked.issues)
    report.badValue(given.node, given.path, {
      rule,
      remedy: remedy ?? `give such a value, or delete the key for the default, ${spec.defaultText?.replaceAll('`', '')}`,
    })
  return spec.default
}

/** An override goes before the file; two places of the file must agree. */
function merge(given: Map<string, GivenKey>, name: string, here: GivenKey, report: Report): void {
  const before = given.get(name)
  const fromCommandLine = (key: GivenKey) => key.node.origin.source.name === commandLine
  if (before === undefined || (fromCommandLine(here) && !fromCommandLine(before))) given.set(name, here)
  else if (fromCommandLine(before) && !fromCommandLine(here)) return
  else if (JSON.stringify(toPlain(before.node)) !== JSON.stringify(toPlain(here.node)))
    report.badValue(here.node, here.path, {
      rule: `the same key has another value as ${before.path} in ${placeOf(before.node.origin)}`,
      remedy: 'keep one of the two',
    })
}

function unknown(origin: Origin, path: string, what: string, near: string | undefined, known: readonly string[], report: Report): void {
  const remedy = near === undefined ? `delete it; known are ${known.join(', ')}` : `did you mean ${near}?`
  report.problem(origin, path, { rule: what, remedy })
}
