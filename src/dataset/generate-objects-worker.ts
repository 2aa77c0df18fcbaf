// One thread of a generation into an object store: makes files in memory that the main thread uploads.
import { parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import { RandomContent } from './content/source.js'
import { createDimensionSource, fileSpec, generatedFiles } from './dims.js'
import { formatWriter } from './format-writer.js'
import { GenerateControl, type GenerateTask } from './generate-control.js'
import { sideFiles } from './layout.js'
import { ObjectFile } from './object-file.js'
import { type ObjectMessage, type SlotLayout, SlotStates } from './object-slots.js'

export interface GenerateObjectsTask extends GenerateTask {
  readonly layout: SlotLayout
  readonly states: SharedArrayBuffer
}

/** Thrown through a format's writer to leave it when the generation was asked to stop. */
class Stopped extends Error {}

async function generateObjects(task: GenerateObjectsTask, control: GenerateControl): Promise<void> {
  const { workload, thread } = task
  const files = generatedFiles(workload)
  const dimensions = createDimensionSource(workload, task)
  const content = new RandomContent(workload.dataset.recordElementType)
  const writer = formatWriter(workload.dataset.format, task.formatsModule)!
  const states = new SlotStates(task.states)
  const post = (message: ObjectMessage): void => parentPort!.postMessage(message)
  const onWrite = (sizeBytes: number): void => {
    if (control.stopped) throw new Stopped()
    control.add('bytesWritten', sizeBytes)
  }
  const data = new ObjectFile(task.layout, states, post, onWrite)

  /** Whether all objects of a file are there, the data with exactly the planned size. */
  const isComplete = (names: readonly string[], plannedBytes: number | undefined): boolean => {
    if (plannedBytes === undefined) return false
    const sizes = states.ask(
      names.length,
      () => post({ kind: 'look', names }),
      () => onWrite(0),
    )
    return sizes[0] === plannedBytes && sizes.every((size) => size >= 0)
  }

  const nextFile = () => task.share.part + task.share.parts * control.claimFile()
  for (let i = nextFile(); i < files.count && !control.stopped; i = nextFile()) {
    const name = files.name(i)
    const spec = fileSpec(workload, dimensions.dims(i), i)
    const beside = sideFiles(workload.dataset.format, name)
    if (task.resume && isComplete([name, ...beside.map(({ file }) => file)], writer.sizeBytes(spec))) {
      control.add('filesSkipped', 1)
      continue
    }
    control.setUnfinishedFile(thread, i)
    try {
      const sides = new Map(beside.map(({ kind }) => [kind, [] as Uint8Array[]]))
      data.open(name)
      await writer.write(spec, content, data, (kind, bytes) => sides.get(kind)!.push(bytes.slice()))
      for (const { kind, file } of beside) post({ kind: 'side', name: file, bytes: Buffer.concat(sides.get(kind)!) })
      data.commit()
    } finally {
      data.discard()
      control.setUnfinishedFile(thread, -1)
    }
  }
}

const task = workerData as GenerateObjectsTask
const control = new GenerateControl(task.shared)
generateObjects(task, control).catch((error: unknown) => {
  control.stop()
  if (!(error instanceof Stopped)) parentPort!.postMessage({ kind: 'failed', error: serializeError(error) } satisfies ObjectMessage)
})
