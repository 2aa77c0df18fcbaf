// What `dl-driver compare` does: read both runs, refuse what is not comparable, compare, print.
import { compareRuns } from '../compare/compare.js'
import { readMeasured } from '../compare/measured.js'
import { describeDifferences, renderComparison } from '../compare/table.js'
import { ConfigError, RunError } from '../errors.js'
import { paletteFor } from '../output/text.js'
import type { CompareOptions } from './compare.js'

/** Runs the command and returns the exit code. Throws ConfigError for runs of different work, StorageError and DataError for what cannot be read. */
export function compareCommand(basePath: string, newPath: string, options: CompareOptions): number {
  const comparison = compareRuns(readMeasured(basePath, options), readMeasured(newPath, options), options.threshold)
  const { workDifferences, quantities, regressions } = comparison
  if (workDifferences.length > 0) {
    const differences = describeDifferences(workDifferences)
    if (options.force !== true)
      throw new ConfigError(`the runs did different work (base and new): ${differences}. --force compares them all the same`)
    process.stderr.write(`warning: the runs did different work (base and new): ${differences}\n`)
  }
  if (!quantities.some(({ verdict }) => verdict !== 'missing'))
    throw new RunError(`${basePath} and ${newPath} have no number in common that could be compared`)
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify(comparison, null, 2)}\n`
      : renderComparison(comparison, paletteFor(process.stdout.isTTY, process.env)),
  )
  return regressions.length > 0 ? 4 : 0
}
