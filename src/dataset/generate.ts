// Making a data set: all cores, each file complete or absent.
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FormatName, Workload } from '../config/workload.js'
import { ConfigError, RunError, restoreError } from '../errors.js'
import type { FormatWriter } from '../formats/types.js'
import { entryFile, lazily } from '../package.js'
import { makeFolders } from '../storage/folders.js'
import type { UploadsRecord } from '../storage/object/record.js'
import { isObjectLocation, localPath, type ObjectLocation } from '../storage/uri.js'
import { attempt, temporaryPath } from './complete-file.js'
import { RandomContent } from './content/source.js'
import { fileSpec, generatedFiles, typicalDims } from './dims.js'
import { formatWriter } from './format-writer.js'
import { GenerateControl, type GenerateFailure, type GenerateTask, type Share } from './generate-control.js'
import { dataFolders, dataLocation, sideFiles } from './layout.js'
import type { ObjectSink } from './object-sink.js'
import type { ObjectMessage } from './object-slots.js'

/** How long a thread may go on with what it does (compressing a piece, a write that hangs) after it was asked to stop. */
const stopGraceMs = 3000
const pollMs = 200

/**
 * What a thread runs. With require(): an ES module as entry would be read through libuv's pool and so fix the pool's size, before a run
 * that follows in this process can choose it.
 */
const threadCode = `require(${JSON.stringify(entryFile('dataset/generate-worker.js'))})`
const objectThreadCode = `require(${JSON.stringify(entryFile('dataset/generate-objects-worker.js'))})`

export interface GenerateOptions {
  /** Ranks of the job that DLIO would generate with; they change nothing but the dimensions of MLCommons' DLIO. */
  readonly ranks: number
  /** Called a few times a second. */
  readonly onProgress?: (progress: GenerateProgress) => void
  /** Stops the generation; complete files stay. */
  readonly signal?: AbortSignal
  /** Keep files that have exactly the planned size. */
  readonly resume?: boolean
  /** What of the data set this process generates; all of it unless given. */
  readonly share?: Share
  /** Processes on this host that generate at the same time and have the same cores. */
  readonly localProcesses?: number
  /** Threads; all cores unless given. */
  readonly threads?: number
  /** Path of a module with another table of formats than the program's (`formats`, by name). */
  readonly formatsModule?: string
}

export interface GenerateProgress {
  readonly filesTotal: number
  readonly filesWritten: number
  readonly filesSkipped: number
  /** Bytes written, unfinished files included. */
  readonly bytesWritten: number
  /** Expected bytes of a file: exact without a standard deviation; null where sizes depend on the content. */
  readonly bytesPerFile: number | null
  readonly seconds: number
}

export interface GenerateReport {
  /** Files of this process's share, without indexes. */
  readonly filesTotal: number
  /** Files written, without indexes. */
  readonly files: number
  /** Bytes in them. */
  readonly bytes: number
  readonly seconds: number
  /** CPU time of the whole process meanwhile. */
  readonly cpuSeconds: number
  /** Files kept because they were complete. */
  readonly skipped: number
  readonly threads: number
  /** Data folder as a path. */
  readonly folder: string
  /** Of a data set in object storage. */
  readonly objects?: UploadsRecord
}

/** A generation that has ended, in whatever way. */
export interface Generation {
  /** What there was to its end. */
  readonly report: GenerateReport
  /** Why it ended before its time: a RunError with exit code 130 when it was stopped. */
  readonly failure?: Error
}

/**
 * Generates the data set of a workload under DLIO's names, in DLIO's folders, with DLIO's dimensions and fresh random content. A file gets
 * its name when it is complete; one that was there is replaced, as DLIO does. Throws ConfigError before anything is touched (storage,
 * format or element type that cannot be generated); resolves with the StorageError of what the storage refuses, and RunErrors.
 */
export async function runGeneration(workload: Workload, options: GenerateOptions): Promise<Generation> {
  const location = dataLocation(workload)
  const files = generatedFiles(workload)
  const bytesPerFile = checkedFileBytes(workload, options.formatsModule)
  const share = options.share ?? { part: 0, parts: 1 }
  const filesTotal = Math.max(0, Math.ceil((files.count - share.part) / share.parts))
  const threads = Math.min(filesTotal, options.threads ?? Math.ceil(availableParallelism() / (options.localProcesses ?? 1)))
  // Image libraries encode in libuv's pool, one file a thread.
  if (workload.dataset.format === 'jpeg') process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, threads))
  const control = GenerateControl.create(threads)
  const isStopped = () => options.signal?.aborted === true
  const sink = isObjectLocation(location) ? await openSink(location, workload, control) : undefined
  const folder = sink?.folder ?? localPath(location)

  const beginMs = performance.now()
  const cpuBegin = process.cpuUsage()
  const secondsSoFar = (): number => (performance.now() - beginMs) / 1000
  const report = (): void =>
    options.onProgress?.({
      filesTotal,
      filesWritten: control.read('filesWritten'),
      filesSkipped: control.read('filesSkipped'),
      bytesWritten: control.read('bytesWritten'),
      bytesPerFile,
      seconds: secondsSoFar(),
    })
  const make = async (): Promise<void> => {
    for (const relative of sink === undefined ? dataFolders(workload) : []) {
      const path = join(folder, relative)
      attempt(path, 'create folder', () => makeFolders(path))
    }
    const poll = setInterval(report, pollMs)
    try {
      const task = { workload, ranks: options.ranks, folder, resume: options.resume ?? false, share, formatsModule: options.formatsModule }
      await runThreads(control, threads, task, options.signal, sink && { sink, fileBytes: bytesPerFile ?? sampleBytes(workload) })
    } finally {
      clearInterval(poll)
      if (sink === undefined) removeUnfinished(control, threads, folder, files, workload.dataset.format)
    }
  }
  const failed = isStopped() ? await sink?.close() : await make().then(() => undefined, toError)
  // Nothing was touched yet.
  if (failed instanceof ConfigError) throw failed
  const failure = isStopped() ? stoppedError(control, filesTotal) : failed
  if (failure === undefined) report()
  const cpu = process.cpuUsage(cpuBegin)
  return {
    report: {
      filesTotal,
      files: control.read('filesWritten'),
      bytes: control.read('bytesComplete'),
      seconds: secondsSoFar(),
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      skipped: control.read('filesSkipped'),
      threads,
      folder,
      ...(sink && { objects: sink.record() }),
    },
    ...(failure && { failure }),
  }
}

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** Size of a typical file. Everything that a format or an element type cannot do is found here, before the first folder is made. */
function checkedFileBytes(workload: Workload, formatsModule: string | undefined): number | null {
  const { format, recordElementType } = workload.dataset
  const writer: FormatWriter | undefined = formatWriter(format, formatsModule)
  if (writer === undefined) throw new ConfigError(`dataset.format: cannot generate '${format}' files`)
  new RandomContent(recordElementType)
  return writer.sizeBytes(fileSpec(workload, typicalDims(workload), 0)) ?? null
}

/** Uncompressed content of a typical file: about as large as a file whose size depends on the content. */
function sampleBytes(workload: Workload): number {
  const { numSamplesPerFile } = workload.dataset
  return numSamplesPerFile * typicalDims(workload).reduce((product, dim) => product * dim, 8)
}

/** The control plane is reached before anything is made: it may find no credentials. */
async function openSink(location: ObjectLocation, workload: Workload, control: GenerateControl): Promise<ObjectSink> {
  const { connect, resolveTarget } = lazily<typeof import('../storage/object/connect.js')>('storage/object/connect.js')
  const sinks = lazily<typeof import('./object-sink.js')>('dataset/object-sink.js')
  return new sinks.ObjectSink(await connect(resolveTarget(location, workload.storage.options)), control)
}

function stoppedError(control: GenerateControl, filesTotal: number): RunError {
  const complete = control.read('filesWritten') + control.read('filesSkipped')
  return new RunError(`interrupted: ${complete} of ${filesTotal} files are complete; --resume goes on from there`, 130)
}

/** Runs all threads to their end. Throws the first failure, once no thread is left that could write. */
async function runThreads(
  control: GenerateControl,
  threads: number,
  task: Omit<GenerateTask, 'thread' | 'shared'>,
  signal: AbortSignal | undefined,
  objects: { readonly sink: ObjectSink; readonly fileBytes: number } | undefined,
): Promise<void> {
  const workers: Worker[] = []
  let failure: Error | undefined
  let grace: NodeJS.Timeout | undefined
  const stop = (): void => {
    control.stop()
    objects?.sink.giveUp()
    grace ??= setTimeout(() => {
      for (const worker of workers) void worker.terminate()
    }, stopGraceMs)
  }
  const fail = (error: Error): void => {
    // What fails once the generation was interrupted has failed because of that, or too late to matter.
    if (signal?.aborted !== true) failure ??= error
    stop()
  }
  signal?.addEventListener('abort', stop)
  if (signal?.aborted === true) stop()
  try {
    await Promise.all(
      Array.from({ length: threads }, (_, thread) => {
        const slots = objects?.sink.thread(threads, objects.fileBytes)
        const workerData = { ...task, thread, shared: control.shared, ...slots, ...(slots && { states: slots.states.shared }) }
        const worker = new Worker(slots ? objectThreadCode : threadCode, { eval: true, execArgv: [], workerData })
        workers.push(worker)
        worker.on('message', (message: GenerateFailure | ObjectMessage) => {
          if ('error' in message) fail(restoreError(message.error))
          else objects!.sink.onMessage(message, slots!, fail)
        })
        worker.on('error', fail)
        return new Promise<void>((resolve) =>
          worker.on('exit', (code) => {
            // A thread that was not told to stop and says nothing must not pass for one that is done.
            if (code !== 0 && !control.stopped) fail(new RunError(`a generating thread ended unexpectedly (code ${code})`))
            resolve()
          }),
        )
      }),
    )
  } finally {
    await objects?.sink.close()
    clearTimeout(grace)
    signal?.removeEventListener('abort', stop)
  }
  if (failure !== undefined) throw failure
}

/** Removes what threads that were terminated, or died, had begun; others have cleaned up themselves. */
function removeUnfinished(
  control: GenerateControl,
  threads: number,
  folder: string,
  files: { name(index: number): string },
  format: FormatName,
): void {
  for (let thread = 0; thread < threads; thread++) {
    const index = control.unfinishedFile(thread)
    if (index < 0) continue
    const name = files.name(index)
    for (const file of [name, ...sideFiles(format, name).map((side) => side.file)]) {
      const path = join(folder, file)
      attempt(path, 'remove the unfinished part of', () => rmSync(temporaryPath(path), { force: true }))
    }
  }
}
