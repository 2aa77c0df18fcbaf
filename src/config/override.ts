// Overrides of the command line: `reader.batch_size=4`, `++workload.reader.batch_size=4`, `+x=`, `~x`. Later ones win.
import type { ConfigProblem } from '../errors.js'
import { OverrideSyntaxError, parseOverrideValue } from './override-value.js'
import { problemAt } from './problems.js'
import { nearest } from './suggest.js'
import { type ConfigNode, commandLine, type MapNode, nodeAt, type Origin, toPlain, withNode, withoutNode } from './tree.js'

export interface Override {
  /** How it was given: Hydra demands `+` for new keys, `++` for new or old ones and nothing for old ones; here all three set. `~` deletes. */
  readonly operator: '' | '+' | '++' | '~'
  /** Below `workload`; at least one key. */
  readonly path: readonly [string, ...string[]]
  /** Undefined for `~key`. */
  readonly value: ConfigNode | undefined
  readonly origin: Origin
}

const maxPathKeys = 16

const form = /^(\+\+|\+|~)?([A-Za-z_][\w-]*(?:\.[\w-]+)*)(?:=([\s\S]*))?$/

/** Parses one override, or says what is wrong with it. */
function parseOverride(text: string): Override | ConfigProblem {
  const origin: Origin = { source: { name: commandLine, lines: [text] } }
  const match = form.exec(text)
  if (!match) {
    const rule = 'an override is written key=value, with +, ++ or ~ before the key where Hydra wants it'
    return problemAt(origin, '', { rule, remedy: 'for example reader.batch_size=4' })
  }
  const [, operator = '', dotted = '', valueText] = match
  const keys = dotted.split('.')
  if (keys[0] === 'hydra') {
    const remedy = 'leave it out; --output DIR names the folder of the results'
    return problemAt(origin, dotted, { rule: "Hydra's own settings do not apply here", remedy })
  }
  if (keys[0] === 'workload') keys.shift()
  const [first, ...rest] = keys
  if (first === undefined)
    return problemAt(origin, dotted, { rule: 'the workload is named by the argument CONFIG', remedy: 'give its name or file as CONFIG' })
  if (keys.length > maxPathKeys)
    return problemAt(origin, '', { rule: `a key has at most ${maxPathKeys} parts`, remedy: 'for example reader.batch_size=4' })
  if (valueText === undefined && operator !== '~')
    return problemAt(origin, keys.join('.'), { rule: 'an override needs a value', remedy: `write ${text}=VALUE` })
  try {
    const value = valueText === undefined ? undefined : parseOverrideValue(valueText, origin)
    return { operator: operator as Override['operator'], path: [first, ...rest], value, origin }
  } catch (error) {
    if (error instanceof OverrideSyntaxError) return problemAt(origin, keys.join('.'), { rule: error.rule, remedy: error.remedy })
    throw error
  }
}

/** Applies overrides in their order; those that cannot be applied become problems. `aliases` maps section names to the ones in use. */
export function applyOverrides(
  root: MapNode,
  texts: readonly string[],
  aliases: ReadonlyMap<string, string>,
): { root: MapNode; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  let tree = root
  for (const text of texts) {
    const override = parseOverride(text)
    if ('rule' in override) {
      problems.push(override)
      continue
    }
    const [section, ...rest] = override.path
    const path: readonly [string, ...string[]] = [aliases.get(section) ?? section, ...rest]
    if (override.operator === '~') {
      const problem = missing(tree, path, override)
      if (problem) problems.push(problem)
      else tree = withoutNode(tree, path)
    } else if (override.value) tree = withNode(tree, path, override.value)
  }
  return { root: tree, problems }
}

/** Hydra refuses to delete what is not there, or is not as said. */
function missing(root: MapNode, path: readonly [string, ...string[]], override: Override): ConfigProblem | undefined {
  const dotted = path.join('.')
  const found = nodeAt(root, path)
  if (!found) {
    const parent = nodeAt(root, path.slice(0, -1))
    const near = parent?.kind === 'map' ? nearest(path.at(-1)!, parent.entries.keys()) : undefined
    const remedy = near ? `did you mean ~${[...path.slice(0, -1), near].join('.')}?` : 'leave the override out'
    return problemAt(override.origin, dotted, { rule: 'only a key that the configuration gives can be deleted', remedy })
  }
  if (override.value && JSON.stringify(toPlain(override.value)) !== JSON.stringify(toPlain(found)))
    return problemAt(override.origin, dotted, {
      rule: 'a key is deleted only when its value is the one given',
      remedy: `write ~${dotted} to delete it whatever its value`,
    })
  return undefined
}
