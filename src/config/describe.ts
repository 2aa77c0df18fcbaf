// A workload for people and for programs, without its secrets.
import { isSecret, printable } from './problems.js'
import type { Workload } from './workload.js'

/** A copy without the values of secrets. */
export function withoutSecrets(value: unknown, key = ''): unknown {
  if (value !== null && typeof value === 'object') {
    if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, key))
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withoutSecrets(item, name)]))
  }
  return isSecret(key) && value !== null ? '(hidden)' : value
}

/** The effective workload, one `section.key: value` a line, everything filled in. No final newline. */
export function describeWorkload(workload: Workload): string {
  const { raw: _raw, ...shown } = workload
  return lines(withoutSecrets(shown), '').join('\n')
}

function lines(value: unknown, path: string): string[] {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    const entries = Object.entries(value)
    if (entries.length > 0) return entries.flatMap(([key, item]) => lines(item, path ? `${path}.${key}` : key))
  }
  return [`${path}: ${printable(typeof value === 'string' ? value : JSON.stringify(value))}`]
}
