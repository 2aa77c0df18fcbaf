// The recorded data sets: all of them where they lie beside the checkout, the small committed part otherwise.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const all = join(root, '../shared/golden/datasets')
const datasetsFolder = existsSync(all) ? all : join(root, 'test/golden/datasets')

export interface RecordedFile {
  /** `dataset/train/file`, for titles. */
  readonly title: string
  readonly path: string
  /** Of expected.json. */
  readonly want: {
    readonly size: number
    readonly samples: readonly Record<string, unknown>[]
    readonly labels: unknown[] | null
    readonly members?: Record<string, { shape: number[]; dtype: string; zip_method: number }>
  }
  /** Whether DLIO's generator wrote it, rather than a library directly. */
  readonly byDlio: boolean
  readonly workload: { dataset: Record<string, unknown> } | null
  /** Of a TFRecord file: its index file. */
  readonly indexPath: string
}

/** The recorded files whose name ends in `.format`. */
export function recordedFiles(format: string): RecordedFile[] {
  const files: RecordedFile[] = []
  for (const id of readdirSync(datasetsFolder).sort()) {
    const expected = join(datasetsFolder, id, 'expected.json')
    if (!existsSync(expected)) continue
    const { files: byName, made_by, workload } = JSON.parse(readFileSync(expected, 'utf8'))
    for (const [name, want] of Object.entries<RecordedFile['want']>(byName)) {
      if (!name.endsWith(`.${format}`) || !Array.isArray(want.samples)) continue
      const data = join(datasetsFolder, id, 'data')
      const [split, file] = [name.split('/')[0]!, name.split('/').at(-1)!]
      files.push({
        title: `${id}/${name}`,
        path: join(data, name),
        want,
        byDlio: made_by.startsWith('dlio'),
        workload,
        indexPath: join(data, 'index', split, `${file}.idx`),
      })
    }
  }
  if (files.length === 0) throw new Error(`no recorded ${format} file under ${datasetsFolder}`)
  return files
}
