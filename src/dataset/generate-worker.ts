// One thread of a generation: takes files until there are none left.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import type { FileSpec, FormatWriter, SideKind } from '../formats/types.js'
import { attempt, CompleteFile } from './complete-file.js'
import { RandomContent } from './content/source.js'
import { createDimensionSource, fileSpec, generatedFiles } from './dims.js'
import { formatWriter } from './format-writer.js'
import { GenerateControl, type GenerateFailure, type GenerateTask } from './generate-control.js'
import { dataFolders, sideFiles } from './layout.js'
import { removeLeftovers } from './leftovers.js'

const sideBufferBytes = 64 * 1024

/** Thrown through a format's writer to leave it when the generation was asked to stop. */
class Stopped extends Error {}

async function generateFiles(task: GenerateTask, control: GenerateControl): Promise<void> {
  const { workload, folder, thread } = task
  const files = generatedFiles(workload)
  const dimensions = createDimensionSource(workload, task)
  const content = new RandomContent(workload.dataset.recordElementType)
  const writer = formatWriter(workload.dataset.format, task.formatsModule)!
  const onWrite = (sizeBytes: number): void => {
    if (control.stopped) throw new Stopped()
    control.add('bytesWritten', sizeBytes)
  }
  const data = new CompleteFile(content.fileBuffer, onWrite)
  content.makeIn(data)
  const sides = new Map<SideKind, CompleteFile>()

  if (task.resume && thread === 0 && task.share.part === 0)
    for (const relative of dataFolders(workload)) removeLeftovers(join(folder, relative), () => control.stopped)
  const nextFile = () => task.share.part + task.share.parts * control.claimFile()
  for (let i = nextFile(); i < files.count && !control.stopped; i = nextFile()) {
    const name = files.name(i)
    const path = join(folder, name)
    const spec = fileSpec(workload, dimensions.dims(i), i)
    const beside = sideFiles(workload.dataset.format, name).map(({ kind, file }) => ({ kind, path: join(folder, file) }))
    if (task.resume && isComplete(path, writer, spec) && beside.every((side) => isFile(side.path))) {
      control.add('filesSkipped', 1)
      continue
    }
    control.setUnfinishedFile(thread, i)
    try {
      data.open(path)
      for (const side of beside) {
        if (!sides.has(side.kind)) sides.set(side.kind, new CompleteFile(new Uint8Array(sideBufferBytes), onWrite))
        sides.get(side.kind)!.open(side.path)
      }
      await writer.write(spec, content, data, (kind, bytes) => sides.get(kind)!.append(bytes))
      // The data file comes last: where it is there under its name, all that belongs to it is.
      for (const side of sides.values()) side.commit()
      data.commit()
    } finally {
      data.discard()
      for (const side of sides.values()) side.discard()
      control.setUnfinishedFile(thread, -1)
    }
    control.add('filesWritten', 1)
    control.add('bytesComplete', data.byteLength)
  }
}

/** True for a file of exactly the planned size. Sizes that depend on the content are not known, and such files are written again. */
function isComplete(path: string, writer: FormatWriter, spec: FileSpec): boolean {
  const plannedBytes = writer.sizeBytes(spec)
  if (plannedBytes === undefined) return false
  const found = attempt(path, 'look at', () => statSync(path, { throwIfNoEntry: false }))
  return found?.isFile() === true && found.size === plannedBytes
}

function isFile(path: string): boolean {
  return attempt(path, 'look at', () => statSync(path, { throwIfNoEntry: false }))?.isFile() === true
}

const task = workerData as GenerateTask
const control = new GenerateControl(task.shared)
generateFiles(task, control).catch((error: unknown) => {
  // One failure ends all threads: a full disk must not be filled again by the space that is given back.
  control.stop()
  if (!(error instanceof Stopped)) parentPort!.postMessage({ error: serializeError(error) } satisfies GenerateFailure)
})
