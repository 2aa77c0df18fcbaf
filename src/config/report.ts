// What is found while a configuration is read: problems, which stop everything, and warnings, which stop nothing.
import type { ConfigProblem } from '../errors.js'
import { type Complaint, printable, problemAt, showValue } from './problems.js'
import type { ConfigNode, Origin } from './tree.js'
import type { Warning } from './workload.js'

const maxUnknownKeys = 20

/** What nobody reads to its end, and what bounds the words about a hostile file. */
const maxProblems = 50

export class Report {
  private readonly found: ConfigProblem[] = []
  private unnamedProblems = 0
  private readonly others: Warning[] = []
  private readonly ignoredKeys: string[] = []
  private readonly unknownKeys: Warning[] = []
  private unnamedUnknownKeys = 0

  /** A value that breaks a rule. */
  badValue(node: ConfigNode, path: string, complaint: Omit<Complaint, 'value'>): void {
    this.add(problemAt(node.origin, path, { ...complaint, value: showValue(node) }))
  }

  /** A problem at a place, without a value. */
  problem(origin: Origin, path: string, complaint: Complaint): void {
    this.add(problemAt(origin, path, complaint))
  }

  add(...problems: readonly ConfigProblem[]): void {
    for (const problem of problems)
      if (this.found.length < maxProblems) this.found.push(problem)
      else this.unnamedProblems++
  }

  get failed(): boolean {
    return this.found.length > 0
  }

  /** Problems of a file in the order of its lines, those of the command line behind. */
  get problems(): ConfigProblem[] {
    const line = (problem: ConfigProblem) => problem.line ?? Number.MAX_SAFE_INTEGER
    const sorted = [...this.found].sort((a, b) => line(a) - line(b) || (a.column ?? 0) - (b.column ?? 0))
    if (this.unnamedProblems === 0) return sorted
    return [...sorted, { source: sorted[0]!.source, path: '', rule: `${this.unnamedProblems} more problems are not shown` }]
  }

  warn(code: string, message: string): void {
    this.others.push({ code, message: printable(message) })
  }

  /** A key that DLIO does not know: it says nothing and runs without it. */
  unknownKey(origin: Origin, path: string, near: string | undefined, honour?: string): void {
    if (this.unknownKeys.length === maxUnknownKeys) this.unnamedUnknownKeys++
    else {
      const hint = `${near ? `; did you mean ${near}?` : ''}${honour ? `; --honour ${honour} takes it so` : ''}`
      this.unknownKeys.push({
        code: 'unknown-key',
        message: printable(`${placeOf(origin)}: ${path} is no key of DLIO and has no effect${hint}`),
      })
    }
  }

  /** A key that DLIO parses and then never asks. */
  ignoredKey(path: string): void {
    this.ignoredKeys.push(path)
  }

  /** All warnings, one for all ignored keys together. */
  get warnings(): Warning[] {
    const warnings = [...this.unknownKeys]
    if (this.unnamedUnknownKeys > 0)
      warnings.push({ code: 'unknown-key', message: `${this.unnamedUnknownKeys} more keys are none of DLIO's and have no effect` })
    if (this.ignoredKeys.length > 0)
      warnings.push({ code: 'ignored-key', message: `without effect, in DLIO as here: ${this.ignoredKeys.join(', ')}` })
    return [...warnings, ...this.others]
  }
}

/** `file:line`, or the override. */
export function placeOf(origin: Origin): string {
  return origin.line === undefined ? `${origin.source.name} (${origin.source.lines[0] ?? ''})` : `${origin.source.name}:${origin.line}`
}
