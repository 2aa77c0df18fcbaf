// The checkpoints that real DLIO wrote, with the workload of each.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { loadWorkload } from '#src/config/load.js'
import type { Semantics, Workload } from '#src/config/workload.js'
import { goldenFolder, goldenJson } from '../golden.js'

interface RecordedFile {
  readonly size: number
  readonly raw?: boolean
}

export interface Recording {
  readonly id: string
  readonly ranks: number
  readonly semantics: Semantics
  readonly workload: Workload
  /** Folder with the recorded files. */
  readonly folder: string
  /** By path below that folder, such as `checkpoints/global_epoch1_step1/model_states-0.pt`. */
  readonly files: Readonly<Record<string, RecordedFile>>
}

const scratch = mkdtempSync(join(tmpdir(), 'checkpoint-workloads-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** The workload of a mapping of DLIO's keys. */
export function workloadOf(workload: object, semantics: Semantics): Workload {
  const path = join(scratch, 'workload.yaml')
  writeFileSync(path, JSON.stringify(workload)) // JSON is YAML.
  return loadWorkload({ config: path, overrides: [], semantics }).workload
}

export function recordings(): Recording[] {
  const { cases } = goldenJson<{ cases: { id: string; tree: string; ranks: number }[] }>('checkpoints', 'index.json')
  return cases.map(({ id, tree, ranks }) => {
    const semantics = tree === 'upstream' ? 'upstream' : 'mlcommons'
    const { workload, files } = goldenJson<{ workload: object; files: Record<string, RecordedFile> }>('checkpoints', id, 'expected.json')
    return { id, ranks, semantics, workload: workloadOf(workload, semantics), folder: join(goldenFolder('checkpoints'), id), files }
  })
}
