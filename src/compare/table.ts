// The table of a comparison for people.
import { decimalBytes, type Palette, printable, shortNumber } from '../output/text.js'
import type { Comparison, Row, Verdict, WorkDifference } from './compare.js'
import type { Quantity } from './quantities.js'

const columns = ['', 'base', 'new', 'change', 'noise', ''] as const

/** Lines of the table, each ended, with the verdict last. */
export function renderComparison(comparison: Comparison, palette: Palette): string {
  const { base, thresholdPercent, regressions, quantities } = comparison
  const colour: Partial<Record<Verdict, (text: string) => string>> = {
    regression: palette.bad,
    improvement: palette.good,
    missing: palette.warn,
  }
  const cells = quantities.map((row) => [
    row.title,
    value(row.base, row.unit),
    value(row.new, row.unit),
    row.changePercent === undefined ? '' : `${row.changePercent > 0 ? '+' : ''}${row.changePercent.toFixed(1)} %`,
    row.noisePercent === undefined ? '' : `±${row.noisePercent.toFixed(1)} %`,
    words(row),
  ])
  const widths = columns.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  const line = (row: readonly string[], paint = (text: string) => text) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : i === columns.length - 1 ? paint(cell) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  const end =
    regressions.length > 0
      ? palette.bad(`${regressions.length} of ${quantities.length} worse by more than ${thresholdPercent} %`)
      : palette.good(`nothing worse by more than ${thresholdPercent} %`)
  return [
    `base  ${printable(base.path)} (${base.program})`,
    `new   ${printable(comparison.new.path)} (${comparison.new.program})`,
    '',
    palette.dim(line(columns)),
    ...quantities.map((row, i) => line(cells[i]!, colour[row.verdict])),
    '',
    end,
    '',
  ].join('\n')
}

/** `reader.batch_size: 4 and 8`, for each difference. */
export function describeDifferences(differences: readonly WorkDifference[]): string {
  const shown = (given: unknown) => {
    const text = typeof given === 'string' ? given : JSON.stringify(given)
    return printable(text.length > 40 ? `${text.slice(0, 12)}…` : text)
  }
  return differences.map(({ what, base, new: other }) => `${printable(what)}: ${shown(base)} and ${shown(other)}`).join('; ')
}

function value(amount: number | null, unit: Quantity['unit']): string {
  if (amount === null) return '-'
  if (unit === 'B/s') return `${decimalBytes(amount)}/s`
  if (unit === '%') return `${amount.toFixed(2)} %`
  return `${shortNumber(amount)} ${unit}`
}

function words({ verdict, base, better }: Row): string {
  if (verdict === 'same') return ''
  if (verdict === 'missing') return base === null ? 'not in base' : 'not in new'
  if (verdict === 'not judged') return 'too few samples to judge'
  return verdict === 'regression' ? `REGRESSION (${better} is better)` : verdict
}
