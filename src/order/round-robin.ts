// In which order the batches of several readers are delivered: one of each in turn, readers that have ended are left out.
// The same rule holds for PyTorch's workers (dataloader.py `_try_put_index`: exhausted workers are skipped) and for tf.data's
// deterministic interleave with block length 1 (an exhausted slot that finds no new input yields nothing).

/** Delivery order of the units of several readers, with random access both ways. */
export interface RoundRobin {
  /** Batches of all readers together that are delivered. */
  readonly total: number
  readonly readers: number
  readerOf(k: number): number
  unitOf(k: number): number
  /** Position in the delivery order of unit `unit` of `reader`. */
  batchOf(reader: number, unit: number): number
  unitsOf(reader: number): number
  /** How many of the first `batches` batches are of `reader`. */
  unitsBefore(reader: number, batches: number): number
}

/** Rounds in which the same readers take part. */
interface Level {
  readonly firstBatch: number
  readonly firstRound: number
  readonly active: readonly number[]
  /** Position of each reader among the active ones, −1 where it has ended. */
  readonly place: readonly number[]
}

/** Deals `batches` out to `readers` in turn: batch k to reader k mod readers. */
export function dealtOut(batches: number, readers: number): RoundRobin {
  return roundRobin(Array.from({ length: readers }, (_, reader) => Math.max(0, Math.ceil((batches - reader) / readers))))
}

/** @param units how many batches each reader makes. */
export function roundRobin(units: readonly number[]): RoundRobin {
  const levels: Level[] = []
  let firstBatch = 0
  let firstRound = 0
  for (const end of [...new Set(units)].sort((a, b) => a - b)) {
    if (end === firstRound) continue
    const active = units.flatMap((count, reader) => (count > firstRound ? [reader] : []))
    levels.push({ firstBatch, firstRound, active, place: units.map((_, reader) => active.indexOf(reader)) })
    firstBatch += (end - firstRound) * active.length
    firstRound = end
  }
  const total = firstBatch
  const levelOf = (k: number): Level => {
    let l = levels.length - 1
    while (l > 0 && levels[l]!.firstBatch > k) l--
    return levels[l]!
  }
  return {
    total,
    readers: units.length,
    readerOf: (k) => {
      const level = levelOf(k)
      return level.active[(k - level.firstBatch) % level.active.length]!
    },
    unitOf: (k) => {
      const level = levelOf(k)
      return level.firstRound + Math.floor((k - level.firstBatch) / level.active.length)
    },
    batchOf: (reader, unit) => {
      let l = levels.length - 1
      while (l > 0 && levels[l]!.firstRound > unit) l--
      const level = levels[l]!
      return level.firstBatch + (unit - level.firstRound) * level.active.length + level.place[reader]!
    },
    unitsOf: (reader) => units[reader]!,
    unitsBefore: (reader, batches) => {
      if (batches >= total) return units[reader]!
      const level = levelOf(batches)
      const place = level.place[reader]!
      if (place < 0) return units[reader]!
      const into = batches - level.firstBatch
      return level.firstRound + Math.ceil(Math.max(0, into - place) / level.active.length)
    },
  }
}

/**
 * The same delivery, where readers whose samples do not divide by the batch size make one unit more that is never delivered: a reader that
 * goes through its samples reads the last ones before it knows that they fill no batch (MLCommons' DLIO, reader_handler.next and the
 * iterable readers). Those units stand behind all batches, in the order of their readers.
 * @param lengths how many samples each reader goes through
 */
export function withDroppedUnits(delivered: RoundRobin, lengths: readonly number[], batchSize: number): RoundRobin {
  const { total } = delivered
  const dropping = lengths.flatMap((length, reader) => (length % batchSize > 0 ? [reader] : []))
  if (dropping.length === 0) return delivered
  return {
    ...delivered,
    readerOf: (k) => (k < total ? delivered.readerOf(k) : dropping[k - total]!),
    unitOf: (k) => (k < total ? delivered.unitOf(k) : delivered.unitsOf(dropping[k - total]!)),
    batchOf: (reader, unit) => (unit < delivered.unitsOf(reader) ? delivered.batchOf(reader, unit) : total + dropping.indexOf(reader)),
    unitsOf: (reader) => delivered.unitsOf(reader) + (dropping.includes(reader) ? 1 : 0),
  }
}
