// From CONFIG and overrides to a frozen workload: reads, applies, checks, resolves. Everything that is wrong is said at once.
import { locateConfig } from './bundled.js'
import { checkRules } from './checks.js'
import { decideFramework } from './decide.js'
import { type HonourName, withHonouredKeys } from './honour.js'
import { applyOverrides } from './override.js'
import { interpolationRule } from './override-value.js'
import { configError } from './problems.js'
import { checkProfile } from './profile-rules.js'
import { type GivenProfiles, type ProfileValues, readProfile, takeProfiles } from './profiles.js'
import { type AllValues, readSections, suggestSection } from './read-section.js'
import { readText } from './read-text.js'
import { Report } from './report.js'
import { resolveWorkload } from './resolve.js'
import { sectionAliases } from './schema/index.js'
import { profileNames } from './schema/profiles.js'
import { type ConfigNode, type Entry, type MapNode, mapNode } from './tree.js'
import type { FrameworkName, Semantics, Warning, Workload } from './workload.js'
import { parseYaml } from './yaml-file.js'

export interface LoadOptions {
  /** Path of a file, or the name of a bundled workload. */
  readonly config: string
  /** `key=value`, in DLIO's and Hydra's spelling; later ones win. */
  readonly overrides: readonly string[]
  /** Which DLIO is replayed; MLCommons' unless given. */
  readonly semantics?: Semantics | undefined
  /** `--honour`: settings to take at their word where DLIO does not. */
  readonly honour?: readonly HonourName[] | undefined
  /** `--framework`: goes before the configuration's. */
  readonly framework?: FrameworkName | undefined
  /** `--direct`: read with O_DIRECT, whatever the configuration says. */
  readonly direct?: boolean | undefined
  /** The command only generates: rules about reading do not apply. */
  readonly generateOnly?: boolean | undefined
  /** The configuration where it has been composed already: `config` is then only its name, and `overrides` go on top. */
  readonly composed?: Composed | undefined
  /** Where a relative CONFIG starts; the process's working directory unless given. */
  readonly cwd?: string | undefined
}

export interface Composed {
  /** The file that most of it comes from. */
  readonly path: string
  /** A mapping with `workload:`; without interpolations and defaults lists. */
  readonly root: MapNode
}

export interface Loaded {
  readonly workload: Workload
  readonly warnings: Warning[]
}

/** Loads a workload. Throws ConfigError with all problems of the file and of the overrides. */
export function loadWorkload(options: LoadOptions): Loaded {
  const { composed } = options
  const location = composed ? { name: options.config, path: composed.path } : locateConfig(options.config, options.cwd ?? process.cwd())
  const report = new Report()
  const file = workloadOf(composed?.root ?? parseYaml(readText(location.path, location.name), location.name), report)
  const overridden = applyOverrides(file.workload, options.overrides, sectionAliases)
  report.add(...overridden.problems)
  const root = overridden.root
  refuseInterpolations(root, '', report)
  const { rest, profiles } = takeProfiles(root, file.beside, report)
  const honoured = options.honour ?? []
  const all = readSections(withHonouredKeys(rest, honoured), report)
  const decision = decideFramework(all, options.framework, profiles.present, report)
  const profile = profileOf(profiles, decision.framework, report)
  if (profile) checkProfile(all, profile, report)
  const semantics = options.semantics ?? 'mlcommons'
  const { train, evaluation } = all.workflow.values
  const readsNothing = options.generateOnly === true || !(train || evaluation)
  checkRules(all, { ...decision, semantics, honoured, readsNothing, hasProfile: profile !== undefined }, root.origin.source, report)
  if (report.failed) throw configError(report.problems)
  const workload = resolveWorkload(all, decision, { ...options, semantics, honoured, profile }, location, root, report)
  return { workload, warnings: report.warnings }
}

/** The values of all sections of a composed configuration, without the rules between keys. Throws ConfigError with all broken values. */
export function loadValues(root: MapNode): AllValues {
  const report = new Report()
  const file = workloadOf(root, report)
  const all = readSections(takeProfiles(file.workload, file.beside, report).rest, report)
  if (report.failed) throw configError(report.problems)
  return all
}

/** The profile of the framework that applies; the others are read too, since what is wrong in them would come up later. DLIO has no loader of JAX's. */
function profileOf(profiles: GivenProfiles, framework: FrameworkName, report: Report): ProfileValues | undefined {
  for (const other of profiles.present)
    if (other !== framework) {
      readProfile(other, profiles.spellings(other, false), report)
      report.warn('unused-profile', `the ${other} profile does not count: the framework is ${framework}`)
    }
  const spellings = profiles.spellings(framework, true)
  return spellings.length > 0 || framework === 'jax' ? readProfile(framework, spellings, report) : undefined
}

interface WorkloadFile {
  readonly workload: MapNode
  /** Profiles that stand beside `workload:`, in a file that has it, and not below it too. */
  readonly beside?: MapNode
}

/** The workload in a file: the mapping under `workload:`, or the file itself. Sections get their own names where an alias was used. */
function workloadOf(file: MapNode, report: Report): WorkloadFile {
  const entry = file.entries.get('workload')
  if (!entry) return { workload: withoutAliases(withoutDefaults(file, report), report) }
  if (entry.value.kind !== 'map') {
    const remedy = 'write the sections below workload:, or name the file that holds them'
    report.badValue(entry.value, 'workload', { rule: 'must be a mapping of sections (dataset:, reader:, train:, …)', remedy })
    throw configError(report.problems)
  }
  for (const [name, { key }] of file.entries)
    if (name !== 'workload' && !profileNames.includes(name) && suggestSection(name) === name)
      report.unknownKey(key, name, `workload.${name}`)
  const workload = withoutAliases(withoutDefaults(entry.value, report), report)
  // What stands only beside the workload becomes part of it; what stands in both places is compared later.
  const profiles = [...file.entries].filter(([name]) => profileNames.includes(name))
  const entries = new Map(workload.entries)
  for (const [name, profile] of profiles) if (!entries.has(name)) entries.set(name, profile)
  const doubles = profiles.filter(([name]) => workload.entries.has(name))
  return { workload: mapNode(entries, workload.origin), beside: mapNode(new Map(doubles), file.origin) }
}

/** Hydra composes a group file from others by `defaults:`; here a file stands for itself. */
function withoutDefaults(workload: MapNode, report: Report): MapNode {
  const defaults = workload.entries.get('defaults')?.value
  if (!defaults) return workload
  const items = defaults.kind === 'list' ? defaults.items : [defaults]
  if (!items.every((item) => item.kind === 'scalar' && item.value === '_self_'))
    report.badValue(defaults, 'defaults', {
      rule: 'files are not composed from others',
      remedy: 'copy the keys of the named files into this one',
    })
  const entries = new Map(workload.entries)
  entries.delete('defaults')
  return mapNode(entries, workload.origin)
}

/** `data_reader:` is `reader:`. Where both stand, DLIO reads only the former. */
function withoutAliases(workload: MapNode, report: Report): MapNode {
  const entries = new Map<string, Entry>()
  for (const [name, entry] of workload.entries) {
    const section = sectionAliases.get(name)
    const shadowing = [...sectionAliases].find(([alias, target]) => target === name && workload.entries.has(alias))
    if (shadowing) report.warn('unread-section', `${name}: is not read where ${shadowing[0]}: stands, in DLIO as here`)
    else entries.set(section ?? name, name === 'model' ? { key: entry.key, value: namedModel(entry.value) } : entry)
  }
  return mapNode(entries, workload.origin)
}

/** Before DLIO 2.1 the section was the name alone: `model: unet3d`. */
function namedModel(model: ConfigNode): ConfigNode {
  if (model.kind !== 'scalar' || typeof model.value !== 'string') return model
  return mapNode(new Map([['name', { key: model.origin, value: model }]]), model.origin)
}

/** OmegaConf would resolve `${…}`; taken literally it would be a strange folder name. */
function refuseInterpolations(node: ConfigNode, path: string, report: Report): void {
  if (node.kind === 'scalar') {
    if (typeof node.value === 'string' && /\$\{/.test(node.value))
      report.badValue(node, path, {
        rule: interpolationRule,
        remedy: 'write the value itself, or give it as an override',
      })
  } else if (node.kind === 'list') for (const [i, item] of node.items.entries()) refuseInterpolations(item, `${path}[${i}]`, report)
  else for (const [key, { value }] of node.entries) refuseInterpolations(value, path ? `${path}.${key}` : key, report)
}
