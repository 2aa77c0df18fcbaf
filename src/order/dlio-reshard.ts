// How MLCommons' DLIO mixes the files of all ranks before each epoch where `file_shuffle` is given (config.reconfigure, "Reshard for epoch").
import { RandomState } from './numpy-random.js'

/** The seeds of a resharding. */
export interface ReshardSeeds {
  readonly seed: number
  readonly seedChangeEpoch: boolean
}

/**
 * Brings the lists of all ranks, one after the other in `lists`, from epoch − 1 to `epoch`: every rank shuffles its list with the common
 * seed, deals it out (item i to rank (i + rank) mod ranks), puts what it gets in order of the sender, and shuffles that with its own seed.
 * @param scratch as long as `lists`
 */
export function reshard(lists: Uint32Array, scratch: Uint32Array, ranks: number, seeds: ReshardSeeds, epoch: number): void {
  const perRank = lists.length / ranks
  const random = new RandomState(0)
  for (let rank = 0; rank < ranks; rank++) {
    random.seed(seeds.seed + (seeds.seedChangeEpoch ? epoch : 0))
    random.shuffle(lists.subarray(rank * perRank, (rank + 1) * perRank))
  }
  scratch.set(lists)
  for (let rank = 0, at = 0; rank < ranks; rank++)
    for (let sender = 0; sender < ranks; sender++) {
      const first = (rank - sender + ranks) % ranks
      for (let i = first; i < perRank; i += ranks) lists[at++] = scratch[sender * perRank + i]!
    }
  for (let rank = 0; rank < ranks; rank++) {
    // Seeded by the epoch in any case, also where `seed_change_epoch` is off.
    random.seed(seeds.seed + epoch + 31 * rank)
    random.shuffle(lists.subarray(rank * perRank, (rank + 1) * perRank))
  }
}
