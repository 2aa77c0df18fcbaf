// A run that does nothing but checkpoints: writes some, then reads them back (DLIO main._checkpoint). Ranks wait for each other before each.
import type { ProcessBarrier } from '../cluster/gate.js'
import type { Workload } from '../config/workload.js'
import type { Clock } from '../engine/clock.js'
import type { ThreadMessage } from '../engine/messages.js'
import { RunError } from '../errors.js'
import type { CheckpointRecord, EpochRecord } from '../metrics/records.js'
import type { CheckpointKind, Crew, RankTimes } from './crew.js'

export interface OnlyOptions {
  readonly workload: Workload
  /** The checkpoint folder as a local path or URI. */
  readonly folder: string
  /** What the configuration says a checkpoint holds, of all ranks. */
  readonly sizeBytes: number
  readonly crew: Crew
  readonly clock: Clock
  readonly send: (message: ThreadMessage) => void
  readonly stopped: () => boolean
  /** Where this process meets the others of the job. */
  readonly barrier: Pick<ProcessBarrier, 'pass'>
  /** Sleeps until something happened, or for so long. */
  readonly wait: (mostMs: number) => void
}

/** Runs to the end, or until the run is stopped; what was measured until then has been sent. Errors: RunError where there is too little to read. */
export class OnlyCheckpoints {
  private readonly records: CheckpointRecord[][]

  constructor(private readonly options: OnlyOptions) {
    this.records = Array.from({ length: options.crew.ranks }, () => [])
  }

  run(): void {
    const { clock, send, workload } = this.options
    const { numCheckpointsWrite, numCheckpointsRead } = workload.checkpoint
    const beginMs = clock.absoluteMs(clock.nowMs())
    try {
      this.series('save', numCheckpointsWrite)
      if (numCheckpointsRead > 0 && !this.options.stopped()) this.checkReadable(numCheckpointsRead)
      this.series('load', numCheckpointsRead)
    } finally {
      const endMs = clock.absoluteMs(clock.nowMs())
      const ranks = this.records.map(
        (checkpoints): EpochRecord => ({ epoch: 1, beginMs, trainEndMs: endMs, endMs, blocks: [], checkpoints }),
      )
      send({ kind: 'epochEnds', epoch: 1, ranks })
    }
  }

  private series(kind: CheckpointKind, count: number): void {
    if (count === 0) return
    this.say(kind, 'begins')
    for (let step = 1; step <= count && !this.options.stopped(); step++) this.checkpoint(kind, step)
    if (!this.options.stopped()) this.say(kind, 'ended')
  }

  private checkpoint(kind: CheckpointKind, step: number): void {
    const { crew, clock, send, sizeBytes, barrier, workload } = this.options
    const { pauseSeconds, rankSync } = workload.checkpoint
    this.sleep(1000 * pauseSeconds)
    if (this.options.stopped() || !barrier.pass(this.options.stopped)) return
    const name = { op: kind, epoch: 1, block: step, step } as const
    send({ kind: 'checkpointStarts', ...name, timeMs: clock.absoluteMs(clock.nowMs()) })
    crew.begin(kind, 1, step)
    const answers = this.answers()
    if (answers === undefined) return
    // With rank_sync a barrier is part of what is timed.
    if (rankSync && !barrier.pass(this.options.stopped)) return
    const lastMs = clock.nowMs()
    answers.forEach(({ beginMs, endMs }, rank) => {
      this.records[rank]!.push({
        block: step,
        kind,
        beginMs: clock.absoluteMs(beginMs),
        endMs: clock.absoluteMs(rankSync ? lastMs : endMs),
        sizeBytes,
      })
    })
    send({ kind: 'checkpointEnds', ...name, record: this.records[0]!.at(-1)!, parts: answers[0]!.parts })
  }

  /** Waits for all ranks; undefined where the run is stopped. */
  private answers(): RankTimes[] | undefined {
    const { crew, wait, stopped } = this.options
    const answers: RankTimes[] = []
    while (answers.length < crew.ranks) {
      if (stopped()) return undefined
      const answer = crew.answer(answers.length)
      if (answer) answers.push(answer)
      else wait(1000)
    }
    return answers
  }

  private sleep(durationMs: number): void {
    const { clock, wait, stopped } = this.options
    const untilMs = clock.nowMs() + durationMs
    for (let leftMs = durationMs; leftMs > 0 && !stopped(); leftMs = untilMs - clock.nowMs()) wait(leftMs)
  }

  private say(op: CheckpointKind, phase: 'begins' | 'ended'): void {
    const { clock, send } = this.options
    send({ kind: 'checkpointSeries', op, phase, timeMs: clock.absoluteMs(clock.nowMs()) })
  }

  /** DLIO counts what lies in the folder, whatever it is. */
  private checkReadable(wanted: number): void {
    const { folder, crew } = this.options
    crew.begin('count', 1, 0)
    if (this.answers() === undefined) return
    const { found } = crew
    if (found < wanted)
      throw new RunError(
        `checkpoint.num_checkpoints_read: Number of checkpoints to be read: ${wanted} is more than the number of checkpoints available: ${found} in ${folder}; ` +
          'write them first (checkpoint.num_checkpoints_write), or read fewer',
      )
  }
}
