// DLIO's mappings written down a second time, as plainly as possible: whole lists, one loop per sentence of its source. Slow on purpose;
// the laws compare the program's arithmetic with it.
import type { Workload } from '#src/config/workload.js'
import { RandomState } from '#src/order/numpy-random.js'
import { interleave, repeat, ShufflePasses, shard, shuffled, take, tfSeeds } from '#src/order/tf-random.js'
import { batches } from '#src/order/torch-random.js'

export type Sample = readonly [file: number, sample: number]
export interface EagerBatch {
  readonly reader: number | undefined
  readonly samples: readonly Sample[]
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Training batches that each rank's loader can make in epoch `epoch`; `limit` bounds those of endless pipelines. */
export function eagerEpoch(workload: Workload, ranks: number, epoch: number, limit: number): EagerBatch[][] {
  const upstream = workload.semantics === 'upstream'
  const lists = upstream ? upstreamLists(workload, ranks, epoch) : shardedLists(workload, ranks, epoch)
  return lists.map((list, rank) => {
    if (workload.dataset.format === 'tfrecord') return records(workload, ranks, rank, list, limit)
    if (workload.reader.dataLoader === 'tensorflow') return generated(workload, ranks, rank, list, epoch)
    if (workload.dataset.format === 'parquet') return iterated(workload, list)
    const all = samplesOf(list, workload.dataset.numSamplesPerFile)
    const per = all.length / ranks
    return mapped(workload, upstream ? all.slice(rank * per, (rank + 1) * per) : all)
  })
}

function seedOf({ train }: Workload, epoch: number): number {
  return train.seedChangeEpoch ? train.seed + epoch : train.seed
}

function upstreamLists(workload: Workload, ranks: number, epoch: number): number[][] {
  const { dataset, reader } = workload
  const step = dataset.numSamplesPerFile * reader.batchSize * ranks
  const list = range(Math.floor(dataset.numFilesTrain / step) * step)
  if (reader.dataLoader === 'tensorflow' && reader.fileShuffle && dataset.format !== 'tfrecord')
    for (let e = 1; e <= epoch; e++) new RandomState(seedOf(workload, e)).shuffle(list)
  return range(ranks).map(() => list)
}

function shardedLists(workload: Workload, ranks: number, epoch: number): number[][] {
  const { dataset, reader } = workload
  const perRank = Math.floor(dataset.numFilesTrain / ranks)
  let lists = range(ranks).map((rank) => range(perRank).map((i) => rank + i * ranks))
  const reshardings = !reader.fileShuffle ? 0 : dataset.format === 'tfrecord' ? 1 : epoch
  for (let e = 1; e <= reshardings; e++) {
    for (const list of lists) new RandomState(seedOf(workload, e)).shuffle(list)
    const received = range(ranks).map((receiver) =>
      lists.flatMap((list, sender) => list.filter((_, i) => (i + sender) % ranks === receiver)),
    )
    received.forEach((list, rank) => {
      new RandomState(workload.train.seed + e + 31 * rank).shuffle(list)
    })
    lists = received
  }
  return dataset.format === 'tfrecord' ? lists.map((list) => list.toSorted((a, b) => a - b)) : lists
}

function samplesOf(files: readonly number[], samplesPerFile: number): Sample[] {
  return files.flatMap((file) => range(samplesPerFile).map((sample): Sample => [file, sample]))
}

function mapped({ reader }: Workload, samples: readonly Sample[]): EagerBatch[] {
  return [...batches(samples, reader.batchSize, true)].map((batch, k) => ({
    reader: reader.readThreads === 0 ? -1 : k % reader.readThreads,
    samples: batch,
  }))
}

function iterated({ reader, dataset }: Workload, list: readonly number[]): EagerBatch[] {
  const workers = Math.max(reader.readThreads, 1)
  const streams = range(workers).map((worker) => {
    const own = samplesOf([...shard(list, workers, worker)], dataset.numSamplesPerFile)
    return [...batches(own, reader.batchSize, true)]
  })
  return inTurn(streams).map((batch) => (reader.readThreads === 0 ? { ...batch, reader: -1 } : batch))
}

function generated(workload: Workload, ranks: number, rank: number, list: readonly number[], epoch: number): EagerBatch[] {
  const { reader, dataset } = workload
  const upstream = workload.semantics === 'upstream'
  const threads = Math.max(reader.readThreads, 1)
  const perFile = dataset.numSamplesPerFile
  const samples = (list.length * perFile) / (upstream ? ranks : 1)
  const perThread = Math.max(1, Math.floor(samples / threads))
  const ids = range(samples).map((k) => (upstream ? rank * samples + k : k))
  if (reader.sampleShuffle !== 'off') new RandomState(seedOf(workload, epoch)).shuffle(ids)
  const ofThread: Sample[][] = range(threads).map(() => [])
  for (let k = 0; k < samples; k++) {
    const position = upstream && k === 0 ? rank * (Math.floor(list.length / ranks) % list.length) : Math.floor(k / perFile) % list.length
    ofThread[Math.floor(k / perThread) % threads]!.push([list[position]!, upstream ? k % perFile : ids[k]! % perFile])
  }
  return inTurn(ofThread.map((own) => [...batches(own, reader.batchSize, !upstream)]))
}

/** One of each stream in turn; streams that have ended are left out. */
function inTurn(streams: readonly (readonly (readonly Sample[])[])[]): EagerBatch[] {
  const order: EagerBatch[] = []
  const longest = Math.max(0, ...streams.map((stream) => stream.length))
  for (let round = 0; round < longest; round++)
    streams.forEach((stream, reader) => {
      const samples = stream[round]
      if (samples !== undefined) order.push({ reader, samples })
    })
  return order
}

/** The pipeline of tf_reader.next, operator by operator, from pass 0 of its shuffle on. */
function records(workload: Workload, ranks: number, rank: number, list: readonly number[], limit: number): EagerBatch[] {
  const { reader, dataset } = workload
  const sharded = list.length >= ranks ? [...shard(list, ranks, rank)] : list
  const lengths = sharded.map(() => dataset.numSamplesPerFile)
  const input = [...interleave(lengths, reader.readThreads, 1)].map(([file, record]): Sample => [sharded[file]!, record])
  const passes = new ShufflePasses(tfSeeds(workload.train.seed), true)
  const pass = (number: number): Iterable<Sample[]> => {
    const mixed = reader.sampleShuffle === 'off' ? input : shuffled(input, reader.shuffleSize, passes.of(number))
    return batches(list.length >= ranks ? mixed : shard(mixed, ranks, rank), reader.batchSize, true)
  }
  const readerOf = reader.readThreads === 1 ? 0 : undefined
  return [...take(repeat(pass, -1), limit)].map((samples) => ({ reader: readerOf, samples }))
}
