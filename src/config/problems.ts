// Problems of a configuration as people read them. No heavy import: the command line needs this to print any ConfigError.
import { ConfigError, type ConfigProblem } from '../errors.js'
import { type ConfigNode, commandLine, type Origin, toPlain } from './tree.js'

const longestValue = 80
const longestExcerpt = 100

/** Keys whose values must never be printed. */
const secret = /secret|password|token|access_key|account_key|connection_string|credential|proxy/i

/** A line that gives a secret a value. */
const secretLine = /(?:secret|password|token|access_key|account_key|connection_string|credential|proxy)\w*["']?\s*[:=]/i

/** Whether the value at a dotted path is a secret, such as `storage.storage_options.secret_access_key`. */
export function isSecret(path: string): boolean {
  return secret.test(path.slice(path.lastIndexOf('.') + 1))
}

/** Makes control characters visible, so that a hostile file cannot steer the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) =>
    character === '\t' ? ' ' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A value as text, short enough for a line. */
export function showValue(node: ConfigNode): string {
  const plain = node.size > longestValue ? `a ${node.kind} of ${node.size} values` : show(toPlain(node))
  return plain.length <= longestValue ? plain : `${plain.slice(0, longestValue - 1)}…`
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (value !== null && typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `${key}: ${isSecret(key) ? '(hidden)' : show(item)}`)
      .join(', ')}}`
  return String(value)
}

/** What is wrong, without the place. */
export interface Complaint {
  readonly rule: string
  readonly remedy?: string | undefined
  readonly value?: string | undefined
}

/** A problem at a place of a file or of an override. */
export function problemAt(origin: Origin, path: string, complaint: Complaint): ConfigProblem {
  const hidden = isSecret(path)
  const text = origin.line !== undefined || origin.source.name === commandLine ? origin.source.lines[(origin.line ?? 1) - 1] : undefined
  return {
    source: origin.source.name,
    ...(origin.line === undefined ? {} : { line: origin.line }),
    ...(origin.column === undefined ? {} : { column: origin.column }),
    path,
    ...(complaint.value === undefined ? {} : { value: hidden ? '(hidden)' : printable(complaint.value) }),
    rule: printable(complaint.rule),
    ...(complaint.remedy === undefined ? {} : { remedy: printable(complaint.remedy) }),
    ...(text === undefined || hidden || secretLine.test(text) ? {} : { excerpt: text }),
  }
}

/** The error that carries all problems; its message names the first, {@link formatProblems} shows all. */
export function configError(problems: readonly ConfigProblem[]): ConfigError {
  const first = problems[0]
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return new ConfigError(`${count} in the configuration${first ? `: ${first.path ? `${first.path} ` : ''}${first.rule}` : ''}`, problems)
}

/** One block of lines per problem: place, key and value, the line of the file with a caret, the rule, the remedy. No final newline. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems.map(formatProblem).join('\n\n')
}

function formatProblem(problem: ConfigProblem): string {
  const { source, line, column, path, value, rule, remedy, excerpt } = problem
  const place = [printable(source), line, column].filter((part) => part !== undefined).join(':')
  const what = [printable(path), value].filter((part) => part !== undefined && part !== '').join(' = ')
  const lines = [what ? `${place}  ${what}` : place]
  if (excerpt !== undefined) {
    const { text, caret } = codeFrame(excerpt, source === commandLine ? undefined : column)
    const margin = line === undefined ? '' : String(line)
    lines.push(`  ${margin} | ${text}`)
    if (caret !== undefined) lines.push(`  ${' '.repeat(margin.length)} | ${' '.repeat(caret)}^`)
  }
  lines.push(`  rule: ${rule}`)
  if (remedy !== undefined) lines.push(`  remedy: ${remedy}`)
  return lines.join('\n')
}

/** The part of a line around a column, and how far the caret is indented in it. */
function codeFrame(excerpt: string, column: number | undefined): { text: string; caret: number | undefined } {
  const at = (column ?? 1) - 1
  const begin = Math.max(0, Math.min(at - longestExcerpt / 2, excerpt.length - longestExcerpt))
  const end = begin + longestExcerpt
  const before = `${begin > 0 ? '…' : ''}${printable(excerpt.slice(begin, at))}`
  const after = `${printable(excerpt.slice(Math.max(begin, at), end))}${end < excerpt.length ? '…' : ''}`
  return { text: before + after, caret: column === undefined ? undefined : before.length }
}

/** An argument of a command line as it may be shown and stored: the value of an override that gives a secret is hidden. */
export function hideSecret(argument: string): string {
  const [, path] = /^([+~]{0,2}[\w.@/-]+)=/.exec(argument) ?? []
  if (path !== undefined && isSecret(path)) return `${path}=(hidden)`
  // A mapping may hold one anywhere, and quoting allows more spellings than are worth knowing.
  return secretLine.test(argument) ? `${path ?? ''}=(hidden)`.replace(/^=/, '') : argument
}
