// One value of a configuration by its dotted key, as DLIO's query command prints it (utils/config.py GetConfig).
import { pythonFloat, pythonLiteral } from '../output/python.js'
import { decideFramework } from './decide.js'
import { withoutSecrets } from './describe.js'
import { isSecret } from './problems.js'
import type { AllValues } from './read-section.js'
import { Report } from './report.js'
import { sectionAliases, sections, topLevel } from './schema/index.js'
import type { KeySpec, Section } from './schema/key.js'
import { type ConfigNode, nodeAt, toPlain } from './tree.js'

/** Times are mappings inside DLIO; these keys ask for one part of them. */
const timeKeys: ReadonlyMap<string, readonly [key: string, part: 'mean' | 'stdev']> = new Map([
  ['reader.preprocess_time', ['preprocess_time', 'mean']],
  ['reader.preprocess_time_stdev', ['preprocess_time', 'stdev']],
  ['train.computation_time', ['computation_time', 'mean']],
  ['train.computation_time_stdev', ['computation_time', 'stdev']],
  ['evaluation.eval_time', ['eval_time', 'mean']],
  ['evaluation.eval_time_stdev', ['eval_time', 'stdev']],
])

/** What a key comes to: its value as Python prints it, DLIO's default where it is not given. */
export type Answer =
  | { readonly kind: 'value'; readonly text: string }
  /** Null, or nothing: Python's None. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }
  /** A credential, which is never printed. */
  | { readonly kind: 'secret' }

/** Looks a key up, with or without `workload.` before it. `outputFolder`: where the run's files would go. */
export function queryValue(all: AllValues, key: string, outputFolder: () => string): Answer {
  const [head = '', ...rest] = key.replace(/^workload\./, '').split('.')
  const section = sectionAliases.get(head) ?? head
  const name = rest.join('.')
  if (isSecret(name)) return { kind: 'secret' }
  if (rest.length === 0) return Object.hasOwn(topLevel.keys, head) ? topLevelValue(all) : { kind: 'unknown' }
  if (!Object.hasOwn(sections, section)) return { kind: 'unknown' }
  const values = all[section as keyof typeof sections] as AllValues['storage']
  const time = timeKeys.get(`${section}.${name}`)
  if (time) return timeValue(values, ...time)
  if (section === 'storage' && rest[0] === 'storage_options' && rest.length > 1) {
    const options = values.given('storage_options')
    return nodeValue(options && nodeAt(options, rest.slice(1)))
  }
  const { keys } = sections[section as keyof typeof sections] as Section
  const spec = Object.hasOwn(keys, name) ? keys[name] : undefined
  if (spec === undefined) return { kind: 'unknown' }
  const node = values.given(name as 'storage_type')
  if (node !== undefined) return nodeValue(node)
  if (`${section}.${name}` === 'reader.data_loader') return text(decideFramework(all, undefined, [], new Report()).dataLoader)
  if (`${section}.${name}` === 'output.folder') return text(outputFolder())
  return defaultValue(spec)
}

const text = (value: string): Answer => ({ kind: 'value', text: value })

function topLevelValue({ topLevel: top }: AllValues): Answer {
  return text(top.values.framework)
}

/** `mean` of a time is 0 where there is none, `stdev` nothing. */
function timeValue({ given }: AllValues['storage'], key: string, part: 'mean' | 'stdev'): Answer {
  const separate = part === 'stdev' ? given(`${key}_stdev` as 'storage_type') : undefined
  if (separate !== undefined) return nodeValue(separate)
  const node = given(key as 'storage_type')
  if (node?.kind === 'map') {
    const inside = nodeAt(node, [part])
    if (inside !== undefined) return nodeValue(inside)
  } else if (node !== undefined && part === 'mean') return nodeValue(node)
  return part === 'mean' ? text('0') : { kind: 'none' }
}

function nodeValue(node: ConfigNode | undefined): Answer {
  if (node === undefined) return { kind: 'none' }
  if (node.kind !== 'scalar') return text(pythonLiteral(withoutSecrets(toPlain(node))))
  const { value } = node
  if (value === null) return { kind: 'none' }
  if (typeof value === 'number' && node.isFloat) return text(pythonFloat(value))
  return text(typeof value === 'string' ? value : pythonLiteral(value))
}

function defaultValue({ default: value }: KeySpec<unknown>): Answer {
  if (value === null || value === undefined) return { kind: 'none' }
  return text(typeof value === 'string' ? value : pythonLiteral(value))
}
