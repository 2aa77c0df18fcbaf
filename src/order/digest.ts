// Hashes of what is read in which order, to prove that two runs have read the same. Readers do not count: threads change who reads, and
// with PyTorch not what is read.
import { createHash, type Hash } from 'node:crypto'
import { batchSink } from '../plan/batch-sink.js'
import { createPlan } from '../plan/plan.js'
import type { Plan } from '../plan/types.js'
import type { BatchSink, EpochOrder, FileList, Split } from './types.js'

/** Numbers that are collected before they are hashed, at the least. */
const leastNumbers = 16_384
/** Changed whenever the digest of the same order changes. */
const version = 1

/** Digest of one rank's epoch, training and evaluation, batch by batch. */
class EpochDigest {
  private readonly hash: Hash = createHash('sha256')

  /** @param numbers room for numbers that are not hashed yet: two for each sample of a batch and one more, at the least */
  constructor(
    private readonly sink: BatchSink,
    private readonly numbers: Float64Array,
  ) {}

  add(order: EpochOrder): void {
    const { numbers, sink } = this
    const { steps } = order
    let filled = 0
    numbers[filled++] = steps
    for (let k = 0; k < steps; k++) {
      const count = order.batch(k, sink)
      if (filled + 2 * count + 1 > numbers.length) {
        this.update(filled)
        filled = 0
      }
      numbers[filled++] = count
      for (let i = 0; i < count; i++) {
        numbers[filled] = sink.files[i]!
        numbers[filled + 1] = sink.samples[i]!
        filled += 2
      }
    }
    this.update(filled)
  }

  addText(text: string): void {
    this.hash.update(text)
  }

  private update(filled: number): void {
    this.hash.update(new Uint8Array(this.numbers.buffer, 0, filled * 8))
  }

  hex(): string {
    return this.hash.digest('hex')
  }
}

/** Digests of a plan's epochs, and of the whole run in the end. The plan must stand at the epoch that is added. */
export class OrderDigest {
  private readonly run: Hash = createHash('sha256')
  private readonly sink: BatchSink
  private readonly numbers: Float64Array
  private readonly names: string

  constructor(private readonly plan: Plan) {
    this.sink = batchSink(plan)
    this.numbers = new Float64Array(Math.max(leastNumbers, 2 * this.sink.files.length + 1))
    this.names = `${version}\n${fingerprint(plan.train.files)}\n${fingerprint(plan.valid.files)}\n`
  }

  /** sha256 (hex) over the steps of `rank` in `epoch`; ranks and epochs in ascending order, epochs first. */
  epoch(rank: number, epoch: number): string {
    const digest = new EpochDigest(this.sink, this.numbers)
    digest.addText(this.names)
    for (const split of splitsOf(this.plan, epoch)) {
      digest.addText(split)
      digest.add(this.plan.order(split, rank, epoch))
    }
    const hex = digest.hex()
    this.run.update(`${rank} ${epoch} ${hex}\n`)
    return hex
  }

  /** All ranks of an epoch. */
  allRanks(epoch: number): void {
    for (let rank = 0; rank < this.plan.world.ranks; rank++) this.epoch(rank, epoch)
  }

  /** sha256 (hex) of everything that was added: `orderDigest` of a result. To be called once, at the end. */
  hex(): string {
    return this.run.digest('hex')
  }
}

/**
 * `orderDigest` of a whole run by a plan, wherever that plan stands: computed on a plan of its own from the same inputs, at about 0.1 µs a
 * sample, the shuffles of all epochs included.
 */
export function runDigest({ workload, world, train, valid }: Plan): string {
  const plan = createPlan(workload, world, { train: train.files, valid: valid.files })
  const digest = new OrderDigest(plan)
  for (let epoch = 1; epoch <= plan.epochs; epoch++) {
    plan.advance(epoch)
    digest.allRanks(epoch)
  }
  return digest.hex()
}

/** What is delivered in an epoch, in this order. */
export function splitsOf(plan: Plan, epoch: number): readonly Split[] {
  return plan.evaluates(epoch) ? ['train', 'valid'] : ['train']
}

/** Samples are hashed by the positions of their files; these names tell two lists apart without walking through them. */
function fingerprint(files: FileList): string {
  return files.count === 0 ? '0' : `${files.count} ${files.name(0)} ${files.name(files.count - 1)}`
}
