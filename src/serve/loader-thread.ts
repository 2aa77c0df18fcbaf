// Entry point of a thread that makes batches: it decodes samples straight into its arena of the shared memory, as far ahead as it may.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { unpackFiles } from '../dataset/file-lists.js'
import { serializeError } from '../errors.js'
import type { BatchSink, EpochOrder, FileList } from '../order/types.js'
import { batchSink } from '../plan/batch-sink.js'
import { createPlan } from '../plan/plan.js'
import type { Plan } from '../plan/types.js'
import { IoMeter, meterSlot } from '../storage/meter.js'
import { Arena } from './arena.js'
import { BatchBlock } from './batch-block.js'
import { arenaOffset, commonWord, queueOffset, queueSlots, ringBytes, threadWord, threadWords } from './layout.js'
import type { FromThread, LoaderThreadStart, ToThread } from './messages.js'
import { mapFile, SleepingWord } from './native.js'
import { openReads, type Reads } from './reads.js'

/** The batch at hand is not wanted any more. */
class Recalled extends Error {}

/** A thread looks for messages at least this often, whatever becomes of a wake-up. */
const longestSleepMs = 100

class LoaderThread {
  private readonly words: Int32Array
  private readonly own: number
  private readonly queue: Float64Array
  private readonly arena: Arena
  private readonly block: BatchBlock
  private readonly wakeWord: SleepingWord
  private readonly news: SleepingWord
  private readonly reads: Reads
  private sink: BatchSink = { files: new Float64Array(0), samples: new Float64Array(0) }
  private readonly counters: Float64Array
  private plan: Plan | undefined
  private work: { readonly order: EpochOrder; readonly files: FileList; next: number } | undefined

  constructor(
    private readonly start: LoaderThreadStart,
    private readonly port: MessagePort,
  ) {
    const { ring, thread } = start
    const memory = mapFile(start.memoryFd, ringBytes(ring))
    this.words = new Int32Array(memory)
    this.own = threadWords(thread)
    this.queue = new Float64Array(memory, queueOffset(ring, thread), queueSlots)
    const begin = arenaOffset(ring, thread)
    this.arena = new Arena(this.words, begin, begin + ring.arenaBytes)
    this.block = new BatchBlock(memory, this.arena, () => this.waitForMemory())
    this.wakeWord = new SleepingWord(this.words, this.own + threadWord.wake)
    this.news = new SleepingWord(this.words, commonWord.news)
    this.counters = new Float64Array(start.counters, 8 * meterSlot.count * thread, meterSlot.count)
    const gauge = new Int32Array(start.counters, start.counters.byteLength - 8, 2)
    const askForGrant = () => port.postMessage({ kind: 'grantWanted' } satisfies FromThread)
    this.reads = openReads(start.workload, start.read, new IoMeter(this.counters, gauge), thread, askForGrant)
  }

  async run(): Promise<void> {
    for (;;) {
      const seen = this.wakeWord.value
      if (this.isStopped) break
      await this.takeMessages()
      if (this.mayWork()) await this.makeBatch()
      else {
        this.wakeWord.wait(seen, longestSleepMs)
        // Connections that were closed meanwhile are noticed.
        if (this.start.read.objects !== undefined) await new Promise(setImmediate)
      }
    }
    this.reads.close()
  }

  private get isStopped(): boolean {
    return Atomics.load(this.words, commonWord.stop) !== 0
  }

  private async takeMessages(): Promise<void> {
    for (;;) {
      const received = receiveMessageOnPort(this.port)
      if (received === undefined) return
      const message = received.message as ToThread
      if (message.kind === 'halt') await this.halt()
      else if (message.kind === 'grant') this.reads.renew(message.grant)
      else this.begin(message)
    }
  }

  /** Gives back what was made and not taken. Blocks that the consumer has taken stay its own. */
  private async halt(): Promise<void> {
    this.work = undefined
    const produced = this.words[this.own + threadWord.produced]!
    const consumed = Atomics.load(this.words, this.own + threadWord.consumed)
    for (let i = consumed; i < produced; i++) this.arena.free(this.queue[i % queueSlots]!)
    Atomics.store(this.words, this.own + threadWord.produced, 0)
    await this.reads.run(this.reads.decoder.close())
    this.port.postMessage({ kind: 'halted' } satisfies FromThread)
  }

  private begin({ generation, split, epoch, from, permutations }: ToThread & { kind: 'begin' }): void {
    const { start } = this
    if (this.plan === undefined || permutations !== undefined) {
      const files = unpackFiles(start.files, start.workload)
      this.plan = createPlan(start.workload, start.world, files, permutations)
      this.sink = batchSink(this.plan)
    }
    const { threads } = start.ring
    const order = this.plan.order(split, start.rank, epoch)
    const first = from + ((start.thread - (from % threads) + threads) % threads)
    this.work = { order, files: this.plan[split].files, next: first }
    Atomics.store(this.words, this.own + threadWord.generation, generation)
  }

  private mayWork(): boolean {
    if (this.work === undefined || this.work.next >= this.work.order.steps) return false
    const made = this.words[this.own + threadWord.produced]! - Atomics.load(this.words, this.own + threadWord.consumed)
    return made < this.start.ahead
  }

  private async makeBatch(): Promise<void> {
    const { block, reads, start, sink } = this
    const { order, files, next } = this.work!
    const samples = order.batch(next, sink)
    block.start(next + 1, samples)
    let position: number
    try {
      for (let i = 0; i < samples; i++) {
        if (this.isRecalled) throw new Recalled()
        block.nextSample()
        const reading = reads.run(reads.decoder.decode(start.read.folder + files.name(sink.files[i]!), sink.samples[i]!, block))
        if (reading !== undefined) await reading
      }
      position = block.finish()
    } catch (error) {
      block.abandon()
      if (error instanceof Recalled) return
      throw error
    }
    this.counters[meterSlot.samples]! += samples
    const produced = this.words[this.own + threadWord.produced]!
    this.queue[produced % queueSlots] = position
    this.work!.next = next + start.ring.threads
    Atomics.store(this.words, this.own + threadWord.produced, produced + 1)
    this.news.raise()
  }

  /** Whether the main thread wants another thing than the batch at hand. */
  private get isRecalled(): boolean {
    return this.isStopped || Atomics.load(this.words, commonWord.recall) !== this.words[this.own + threadWord.generation]
  }

  private waitForMemory(): void {
    const seen = this.wakeWord.value
    Atomics.store(this.words, this.own + threadWord.starves, 1)
    this.news.raise()
    if (!this.isRecalled) this.wakeWord.wait(seen, 50)
    Atomics.store(this.words, this.own + threadWord.starves, 0)
    if (this.isRecalled) throw new Recalled()
  }
}

const port = parentPort!
const start = workerData as LoaderThreadStart

async function main(): Promise<void> {
  try {
    const thread = new LoaderThread(start, port)
    port.postMessage({ kind: 'ready' } satisfies FromThread)
    await thread.run()
  } catch (error) {
    port.postMessage({ kind: 'failed', error: serializeError(error) } satisfies FromThread)
  }
  port.close()
}

void main()
