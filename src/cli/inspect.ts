// `dl-driver inspect FILE|URI... [--json]`: what data files hold.
import type { Command } from 'commander'
import type { Inspection } from '../formats/types.js'
import { lazily } from '../package.js'

const examples = `
Examples:
  dl-driver inspect data/train/img_0_of_8.npz
  dl-driver inspect data/train/*.hdf5 --json      one JSON line per file
  dl-driver inspect s3://bucket/data/train/img_0_of_8.npz      an object; its endpoint comes from the environment`

/** Adds the command to the program. Nothing else loads until it runs. */
export function registerInspect(program: Command): void {
  program
    .command('inspect')
    .description('what data files hold: per sample shape, dtype, bytes, sha256 of its raw bytes, label')
    .argument(
      '<FILE|URI...>',
      'data files: paths, file:// URIs, or objects (s3://, az://, gs://) with endpoint and credentials of the environment',
    )
    .option('--json', 'one JSON line per file on stdout')
    .addHelpText('after', examples)
    .action(async (files: string[], options: { json?: boolean }) => {
      for (const file of files) {
        try {
          const inspection = await inspectFile(file)
          process.stdout.write(options.json ? `${JSON.stringify(inspection)}\n` : formatInspection(inspection))
        } catch (error) {
          if (!isMeantForPeople(error)) throw error
          // One bad file does not hide the others; the exit code tells at the end.
          process.stderr.write(`dl-driver: ${error.message}\n`)
          process.exitCode = 1
        }
      }
    })
}

function isMeantForPeople(error: unknown): error is Error {
  const { DlDriverError } = lazily<typeof import('../errors.js')>('errors.js')
  return error instanceof DlDriverError
}

/** Inspects one file, given as a path or a URI. Objects are fetched into a temporary file. @throws DataError, StorageError, ConfigError */
export async function inspectFile(file: string): Promise<Inspection> {
  const { isObjectLocation, localPath, parseLocation } = lazily<typeof import('../storage/uri.js')>('storage/uri.js')
  const location = parseLocation(file)
  if (!isObjectLocation(location)) return { ...(await inspectPath(localPath(location), file)), file }
  const { withFetchedObject } = lazily<typeof import('../storage/object/temporary-copy.js')>('storage/object/temporary-copy.js')
  return withFetchedObject(location, async (path) => {
    try {
      return { ...(await inspectPath(path, file)), file }
    } catch (error) {
      const { DataError } = lazily<typeof import('../errors.js')>('errors.js')
      // The copy is gone when people read this.
      throw error instanceof DataError && error.uri === path ? new DataError(file, error.detail, error.byteOffset) : error
    }
  })
}

async function inspectPath(path: string, file: string): Promise<Inspection> {
  const { formatNameOf, formatNames, getFormat } = lazily<typeof import('../formats/index.js')>('formats/index.js')
  const { DataError } = lazily<typeof import('../errors.js')>('errors.js')
  const { readFirstBytes } = lazily<typeof import('../formats/plain-files.js')>('formats/plain-files.js')
  const format = formatNameOf(path, () => readFirstBytes(path, 12))
  if (format === undefined) throw new DataError(file, `is in none of the formats that can be inspected (${formatNames.join(', ')})`)
  return getFormat(format).inspect(path)
}

/** Rows of a table that are printed per file; --json has all. */
const maxRows = 12

/** The table for people. */
export function formatInspection({ file, format, samples, labels }: Inspection): string {
  const rows = samples.slice(0, maxRows).flatMap((sample, i) =>
    arraysOf(sample).map(([name, info]) => ({
      sample: String(i),
      ...(name === undefined ? {} : { array: name }),
      ...('shape' in info ? { shape: `(${(info.shape as number[]).join(', ')})`, dtype: String(info.dtype) } : {}),
      ...('offset' in info ? { offset: String(info.offset) } : {}),
      bytes: String(info.nbytes ?? '-'),
      ...(labels === null ? {} : { label: String(labels[i]) }),
      sha256: String(info.sha256 ?? '-'),
    })),
  )
  const lines = [`${file}: ${format}, ${samples.length} ${samples.length === 1 ? 'sample' : 'samples'}`]
  if (rows.length > 0) {
    const columns = Object.keys(rows[0]!) as (keyof (typeof rows)[number])[]
    const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => row[column]?.length ?? 0)))
    const line = (cells: readonly string[]) => `  ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd()
    lines.push(line(columns), ...rows.map((row) => line(columns.map((column) => row[column] ?? ''))))
  }
  if (samples.length > maxRows) lines.push(`  and ${samples.length - maxRows} more; --json lists all`)
  return `${lines.join('\n')}\n`
}

/** One array per sample, or several by name. */
function arraysOf(sample: object): [string | undefined, Record<string, unknown>][] {
  if ('nbytes' in sample) return [[undefined, sample as Record<string, unknown>]]
  return Object.entries(sample as Record<string, Record<string, unknown>>)
}
