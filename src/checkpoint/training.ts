// The checkpoints that a training takes, seen from the conductor: all ranks begin one together, and each goes on when its own part is done.
import type { Workload } from '../config/workload.js'
import type { Clock } from '../engine/clock.js'
import type { CheckpointLabel, ThreadMessage } from '../engine/messages.js'
import type { CheckpointRecord } from '../metrics/records.js'
import type { Crew } from './crew.js'
import { savesAfterEpoch, savesAfterStep } from './schedule.js'

export class TrainingCheckpoints {
  private label: CheckpointLabel = { op: 'save', epoch: 0, block: 0, step: 0 }
  private readonly pending = new Set<number>()
  private readonly records: CheckpointRecord[][]

  constructor(
    private readonly workload: Workload,
    private readonly crew: Crew,
    /** Of a whole checkpoint, all ranks. */
    private readonly sizeBytes: number,
    private readonly clock: Clock,
    private readonly send: (message: ThreadMessage) => void,
  ) {
    this.records = Array.from({ length: crew.ranks }, () => [])
  }

  /** Whether a checkpoint follows step `step` (from 1) of an epoch, and ends its block. */
  followsStep(step: number): boolean {
    return savesAfterStep(this.workload, step)
  }

  /** Whether one follows the training of an epoch. */
  followsEpoch(epoch: number): boolean {
    return savesAfterEpoch(this.workload, epoch)
  }

  get underWay(): boolean {
    return this.pending.size > 0
  }

  /** All ranks begin to save. `folderStep`: the step that names the folder. */
  begin(epoch: number, block: number, step: number, folderStep: number): void {
    this.label = { op: 'save', epoch, block, step }
    for (let rank = 0; rank < this.crew.ranks; rank++) this.pending.add(rank)
    this.send({ kind: 'checkpointStarts', ...this.label, timeMs: this.clock.absoluteMs(this.clock.nowMs()) })
    this.crew.begin('save', epoch, folderStep)
  }

  /** True, once, when the rank's part is done. */
  ends(rank: number): boolean {
    if (!this.pending.has(rank)) return false
    const answer = this.crew.answer(rank)
    if (answer === undefined) return false
    this.pending.delete(rank)
    const record: CheckpointRecord = {
      block: this.label.block,
      kind: 'save',
      beginMs: this.clock.absoluteMs(answer.beginMs),
      endMs: this.clock.absoluteMs(answer.endMs),
      sizeBytes: this.sizeBytes,
    }
    this.records[rank]!.push(record)
    if (rank === 0) this.send({ kind: 'checkpointEnds', ...this.label, record, parts: answer.parts })
    return true
  }

  /** The rank's checkpoints since the last call. */
  take(rank: number): CheckpointRecord[] {
    return this.records[rank]!.splice(0)
  }
}
