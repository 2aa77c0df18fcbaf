// The form of what `doctor` finds: one check after another, each with its outcome, its words and the time it took.

export type Outcome = 'ok' | 'note' | 'warning' | 'failed' | 'skipped'

export interface Check {
  readonly name: string
  readonly outcome: Outcome
  /** What was found, or who failed and why; without secrets. */
  readonly detail: string
  readonly durationMs?: number
}

/** What a check says; one that throws has failed. */
export interface Finding {
  readonly outcome?: Outcome
  readonly detail: string
}

/** Runs checks within a common time; one that depends on a failed one is skipped. */
export class Examination {
  readonly checks: Check[] = []
  readonly #endMs: number

  /** @param budgetMs for all checks together */
  constructor(budgetMs: number) {
    this.#endMs = performance.now() + budgetMs
  }

  /** Milliseconds that are left. */
  get leftMs(): number {
    return Math.max(0, this.#endMs - performance.now())
  }

  /** Runs a check, unless one of `needs` did not succeed; returns whether it succeeded. */
  async run(name: string, needs: readonly string[], check: (leftMs: number) => Promise<Finding> | Finding): Promise<boolean> {
    const failed = needs.find((need) =>
      this.checks.some((done) => done.name === need && (done.outcome === 'failed' || done.outcome === 'skipped')),
    )
    if (failed !== undefined) {
      this.checks.push({ name, outcome: 'skipped', detail: `needs ${failed}` })
      return false
    }
    if (this.leftMs < 1) {
      this.checks.push({ name, outcome: 'skipped', detail: 'no time was left for it' })
      return false
    }
    const beginMs = performance.now()
    let finding: Finding
    let timer: NodeJS.Timeout | undefined
    try {
      const leftMs = this.leftMs
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${(leftMs / 1000).toFixed(1)} s`)), leftMs)
      })
      finding = await Promise.race([Promise.resolve(check(leftMs)), late])
    } catch (error) {
      finding = { outcome: 'failed', detail: (error as Error).message }
    } finally {
      clearTimeout(timer)
    }
    const outcome = finding.outcome ?? 'ok'
    this.checks.push({ name, outcome, detail: finding.detail, durationMs: Math.round(performance.now() - beginMs) })
    return outcome !== 'failed'
  }
}

const marks: Readonly<Record<Outcome, string>> = { ok: 'ok', note: 'note', warning: 'WARN', failed: 'FAIL', skipped: 'skip' }

/** The table for people. */
export function formatChecks(target: string, checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  const lines = checks.map(({ name, outcome, detail, durationMs }) => {
    const time = durationMs === undefined || durationMs < 1 ? '' : ` (${durationMs} ms)`
    return `  ${marks[outcome].padEnd(4)}  ${name.padEnd(width)}  ${detail}${time}`
  })
  return `${target}\n${lines.join('\n')}\n`
}
