// The engine behind one loader of another process: plan, shared memory and the threads that fill it. It answers requests one at a time.
import fs from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { Worker } from 'node:worker_threads'
import { loadWorkload } from '../config/load.js'
import type { Warning, Workload } from '../config/workload.js'
import { packList } from '../dataset/file-lists.js'
import { listDataset } from '../dataset/listing.js'
import { GrantKeeper } from '../engine/grants.js'
import { ConfigError, RunError, restoreError, StorageError } from '../errors.js'
import { getFormat, isFormatName } from '../formats/index.js'
import { checkSteps, dataAccess } from '../job/checks.js'
import type { JobObjects } from '../job/objects.js'
import type { Split } from '../order/types.js'
import { entryFile, lazily } from '../package.js'
import { batchSink } from '../plan/batch-sink.js'
import { createPlan } from '../plan/plan.js'
import type { DatasetFiles, Plan, World } from '../plan/types.js'
import { gaugeSlot, meterSlot } from '../storage/meter.js'
import type { AccessGrant } from '../storage/object/types.js'
import { commonWord, queueSlots, type RingLayout, ringBytes, threadWord, threadWords, version } from './layout.js'
import type { FromThread, LoaderThreadStart, OpenOptions, ToThread } from './messages.js'
import { mapFile, SleepingWord } from './native.js'
import { type ReadPlan, readPlan } from './reads.js'
import { SingleReads, type SingleSample } from './single.js'
import { firstBatchBytes, ringLayout } from './sizing.js'

export interface Opened {
  readonly version: number
  readonly ringBytes: number
  readonly threads: number
  readonly arenaBytes: number
  readonly batchBytes: number
  readonly ahead: number
  readonly format: string
  readonly folder: string
  readonly framework: string
  readonly epochs: number
  readonly steps: { readonly train: number; readonly valid: number }
  readonly batchSize: { readonly train: number; readonly valid: number }
  readonly samplesPerEpoch: { readonly train: number; readonly valid: number }
  readonly dropLast: boolean
  /** Whether the configuration gives all samples one shape. */
  readonly fixedShapes: boolean
  readonly warnings: readonly Warning[]
}

interface LoaderThreadHandle {
  readonly worker: Worker
  readonly wake: SleepingWord
  halted: (() => void) | undefined
}

export class ServeEngine {
  private constructor(
    readonly options: OpenOptions,
    readonly workload: Workload,
    readonly opened: Opened,
    private readonly world: World,
    private readonly files: DatasetFiles,
    private readonly read: ReadPlan,
    private readonly objects: JobObjects | undefined,
    private readonly ring: RingLayout,
    private readonly memoryFd: number,
    private readonly onFailure: (error: Error) => void,
  ) {
    this.plan = this.createPlan()
    const memory = mapFile(memoryFd, ringBytes(ring))
    this.words = new Int32Array(memory)
    this.news = new SleepingWord(this.words, commonWord.news)
    this.counters = new SharedArrayBuffer(8 * (meterSlot.count * ring.threads + 1))
    this.words[commonWord.version] = version
  }

  plan: Plan
  private permutations!: SharedArrayBuffer
  private planIsNew = true
  private epoch = 0
  private generation = 0
  private readonly words: Int32Array
  private readonly news: SleepingWord
  private readonly counters: SharedArrayBuffer
  private threads: LoaderThreadHandle[] = []
  private grants: GrantKeeper | undefined
  private stopped = false
  private single: SingleReads | undefined

  /** Loads the configuration, lists the data, makes the ring and starts the threads. Throws ConfigError, RunError, StorageError. */
  static async open(options: OpenOptions, memoryFd: number, onFailure: (error: Error) => void): Promise<ServeEngine> {
    const { workload, warnings } = load(options)
    const access = dataAccess(workload, options.direct === true)
    const { folder, direct } = access
    const { format } = workload.dataset
    if (!isFormatName(format) || getFormat(format).decoder === undefined)
      throw new ConfigError(
        `dataset.format ${format}: its values cannot be loaded, only benchmarked; use npz, npy, hdf5, tfrecord, jpeg or png`,
      )
    if (options.rank >= options.ranks) throw new ConfigError(`rank ${options.rank}: ranks of a world of ${options.ranks} count from 0`)
    const objects =
      access.objects && (await lazily<typeof import('../job/objects.js')>('job/objects.js').openObjects(access.objects, workload))
    const listing = objects === undefined ? listDataset(workload, folder) : await objects.list(new AbortController().signal)
    const world = { ranks: options.ranks, hosts: 1 }
    const plan = createPlan(workload, world, listing.files)
    checkSteps(plan)
    const read = readPlan(folder, { direct, verify: options.verify === true, objects: objects?.access })
    const batchBytes = await firstBatchBytes(workload, plan, options, read)
    const layout = ringLayout(workload, plan, batchBytes, options.ringBytes, { cores: availableParallelism(), memoryBytes: totalmem() })
    const { ring, ahead } = layout
    try {
      fs.ftruncateSync(memoryFd, ringBytes(ring))
    } catch (error) {
      throw new StorageError('the shared ring', 'grow', (error as Error).message, (error as NodeJS.ErrnoException).code)
    }
    const opened: Opened = {
      version,
      ringBytes: ringBytes(ring),
      threads: ring.threads,
      arenaBytes: ring.arenaBytes,
      batchBytes,
      ahead: Math.min(ahead, queueSlots - 1),
      format,
      folder,
      framework: workload.framework,
      epochs: plan.epochs,
      steps: { train: plan.train.steps, valid: plan.valid.steps },
      batchSize: { train: plan.train.batchSize, valid: plan.valid.batchSize },
      samplesPerEpoch: { train: plan.train.samplesPerEpoch, valid: plan.valid.samplesPerEpoch },
      dropLast: plan.train.samplesPerEpoch === plan.train.steps * plan.train.batchSize * options.ranks,
      fixedShapes: workload.dataset.recordLengthBytesStdev === 0,
      warnings: [...warnings, ...(objects?.warnings ?? []), ...listing.warnings, ...plan.warnings],
    }
    const engine = new ServeEngine(options, workload, opened, world, listing.files, read, objects, ring, memoryFd, onFailure)
    engine.startThreads()
    engine.keepGrants()
    return engine
  }

  /** Begins epoch `epoch` (from 1) of `split` at batch `from` (0-based). What was made before and not taken is dropped. */
  async start(split: Split, epoch: number, from: number): Promise<void> {
    if (this.workload.profile === null && epoch < 1) throw new RunError(`epoch ${epoch}: epochs count from 1`)
    this.generation++
    Atomics.store(this.words, commonWord.recall, this.generation)
    await Promise.all(this.threads.map((thread) => this.halt(thread)))
    for (let t = 0; t < this.threads.length; t++) Atomics.store(this.words, threadWords(t) + threadWord.consumed, 0)
    this.bringTo(epoch)
    for (const thread of this.threads) {
      const news = this.planIsNew ? { permutations: this.permutations } : {}
      this.tell(thread, { kind: 'begin', generation: this.generation, split, epoch, from, ...news })
    }
    this.planIsNew = false
  }

  /** The samples of one batch, from the plan: file (relative to the data folder) and index in it. */
  samples(split: Split, epoch: number, step: number): [string, number][] {
    const isPresent = epoch === this.epoch
    const plan = isPresent ? this.plan : createPlan(this.workload, this.world, this.files)
    if (!isPresent) plan.advance(epoch)
    const order = plan.order(split, this.options.rank, epoch)
    if (!(step >= 1 && step <= order.steps)) throw new RunError(`step ${step}: the epoch has steps 1 to ${order.steps}`)
    const sink = batchSink(plan)
    const count = order.batch(step - 1, sink)
    return Array.from({ length: count }, (_, i) => [plan[split].files.name(sink.files[i]!), sink.samples[i]!])
  }

  /** Sample `index` (from 0) of the data set: file after file in the order of their list, whatever the epochs' order is. */
  sample(split: Split, index: number): Promise<SingleSample> {
    const { files, batchSize } = this.plan[split]
    const { numSamplesPerFile } = this.workload.dataset
    const total = files.count * numSamplesPerFile
    if (!(index >= 0 && index < total)) throw new RunError(`sample ${index}: the ${split} files have samples 0 to ${total - 1}`)
    const sampleBytes = Math.ceil(this.opened.batchBytes / Math.max(1, batchSize))
    this.single ??= new SingleReads(this.workload, this.read, sampleBytes, () => this.grants?.wanted())
    return this.single.read(files.name(Math.floor(index / numSamplesPerFile)), index % numSamplesPerFile)
  }

  /** Sum of a counter over all threads. */
  total(slot: number): number {
    const counters = new Float64Array(this.counters)
    let sum = 0
    for (let t = 0; t < this.ring.threads; t++) sum += counters[t * meterSlot.count + slot]!
    return sum
  }

  get readsInFlight(): number {
    return new Int32Array(this.counters, this.counters.byteLength - 8, gaugeSlot.count)[gaugeSlot.most]!
  }

  get usesDirect(): boolean {
    return this.read.direct
  }

  get requestBytes(): number {
    return this.read.requestBytes
  }

  /** Asks all threads to end. */
  stop(): void {
    this.stopped = true
    this.grants?.stop()
    this.objects?.close()
    Atomics.store(this.words, commonWord.stop, 1)
    for (const { wake } of this.threads) wake.raise()
    this.news.raise()
  }

  /** Brings the plan to an epoch, with a plan anew where that lies behind. */
  private bringTo(epoch: number): void {
    if (epoch < this.epoch) {
      this.plan = this.createPlan()
      this.planIsNew = true
    }
    this.plan.advance(epoch)
    this.epoch = epoch
  }

  private createPlan(): Plan {
    const { sharedBytes } = createPlan(this.workload, this.world, this.files)
    this.permutations = new SharedArrayBuffer(sharedBytes)
    return createPlan(this.workload, this.world, this.files, this.permutations)
  }

  private startThreads(): void {
    this.threads = Array.from({ length: this.ring.threads }, (_, thread) => {
      const start: LoaderThreadStart = {
        thread,
        workload: this.workload,
        world: this.world,
        files: { train: packList(this.files.train), valid: packList(this.files.valid) },
        rank: this.options.rank,
        read: this.read,
        ahead: this.opened.ahead,
        ring: this.ring,
        memoryFd: this.memoryFd,
        counters: this.counters,
      }
      const worker = new Worker(`require(${JSON.stringify(entryFile('serve/loader-thread.js'))})`, { eval: true, workerData: start })
      const wake = new SleepingWord(this.words, threadWords(thread) + threadWord.wake)
      const handle: LoaderThreadHandle = { worker, wake, halted: undefined }
      worker.on('message', (message: FromThread) => {
        if (message.kind === 'failed') this.fail(restoreError(message.error))
        else if (message.kind === 'halted') handle.halted?.()
        else if (message.kind === 'grantWanted') this.grants?.wanted()
      })
      worker.on('error', (error: Error) => this.fail(error))
      worker.on('exit', (code) => {
        if (!this.stopped) this.fail(new RunError(`loader thread ${thread} died with exit code ${code}`))
      })
      return handle
    })
  }

  /** Threads that read objects always have credentials that hold. */
  private keepGrants(): void {
    if (this.objects === undefined) return
    const send = (grant: AccessGrant) => {
      for (const thread of this.threads) this.tell(thread, { kind: 'grant', grant })
      this.single?.renew(grant)
    }
    this.grants = new GrantKeeper(this.objects.access, send, (error) => this.fail(error))
  }

  private halt(thread: LoaderThreadHandle): Promise<void> {
    return new Promise((resolve) => {
      thread.halted = resolve
      this.tell(thread, { kind: 'halt' })
    })
  }

  private tell(thread: LoaderThreadHandle, message: ToThread): void {
    thread.worker.postMessage(message)
    thread.wake.raise()
  }

  private fail(error: Error): void {
    if (this.stopped) return
    this.onFailure(error)
    Atomics.store(this.words, commonWord.failed, 1)
    this.stop()
  }
}

/** The workload, training or evaluating as the split asks whatever `workflow` says: a loader is there to be read from. */
function load({ config, overrides, semantics, framework, direct, split }: OpenOptions): ReturnType<typeof loadWorkload> {
  const options = { config, overrides, semantics, framework, direct }
  const loaded = loadWorkload(options)
  const { train, evaluation } = loaded.workload.workflow
  const more = [...(train ? [] : ['workflow.train=True']), ...(evaluation || split === 'train' ? [] : ['workflow.evaluation=True'])]
  return more.length === 0 ? loaded : loadWorkload({ ...options, overrides: [...overrides, ...more] })
}
