// Trace events in Chrome's format (https://ui.perfetto.dev opens them), one part file per thread, joined at the end of the run.
import fs from 'node:fs'
import type { Split } from '../order/types.js'

const flushChars = 1 << 16

/** One sample read, or one step. Times are milliseconds of the run's clock. */
export interface SampleEvent {
  readonly beginMs: number
  readonly endMs: number
  readonly rank: number
  readonly reader: number
  readonly epoch: number
  readonly split: Split
  /** From 1; undefined where a reader cannot know it (records of a shuffled stream). */
  readonly step: number | undefined
  readonly file: string
  readonly sample: number
  readonly bytes: number
}

export interface StepEvent {
  readonly rank: number
  readonly epoch: number
  readonly split: Split
  readonly step: number
  readonly loadStartMs: number
  readonly computeStartMs: number
  readonly endMs: number
}

/** Process ids of the trace are ranks; thread ids are the training process (0) and its readers (1, 2, …). */
export class TraceWriter {
  private readonly fd: number
  private pending = ''

  constructor(readonly path: string) {
    this.fd = fs.openSync(path, 'w')
  }

  sample(event: SampleEvent): void {
    this.add('read', event.beginMs, event.endMs, event.rank, event.reader + 1, {
      rank: event.rank,
      epoch: event.epoch,
      split: event.split,
      step: event.step,
      reader: event.reader,
      file: event.file,
      sample: event.sample,
      bytes: event.bytes,
    })
  }

  step(event: StepEvent): void {
    const { rank, epoch, split, step } = event
    this.add('wait', event.loadStartMs, event.computeStartMs, rank, 0, { rank, epoch, split, step })
    this.add('compute', event.computeStartMs, event.endMs, rank, 0, { rank, epoch, split, step })
  }

  close(): void {
    this.flush()
    fs.closeSync(this.fd)
  }

  private add(name: string, beginMs: number, endMs: number, pid: number, tid: number, args: Record<string, unknown>): void {
    const event = { name, ph: 'X', ts: Math.round(beginMs * 1e6) / 1e3, dur: Math.round((endMs - beginMs) * 1e6) / 1e3, pid, tid, args }
    this.pending += `${JSON.stringify(event)},\n`
    if (this.pending.length > flushChars) this.flush()
  }

  private flush(): void {
    if (this.pending.length > 0) fs.writeSync(this.fd, this.pending)
    this.pending = ''
  }
}

/** Adds what the thread that wrote an event could not know. */
export type Complete = (args: Record<string, unknown>) => void

/** Joins the parts into one JSON array at `path` (written beside it first) and removes them. `complete` is called on the arguments of each sample read. */
export function joinTrace(path: string, parts: readonly string[], complete?: Complete): void {
  const temporary = `${path}.tmp-${process.pid}`
  const out = fs.openSync(temporary, 'w')
  try {
    fs.writeSync(out, '[\n')
    for (const part of parts) {
      for (const lines of linesOf(part)) fs.writeSync(out, complete === undefined ? lines : completed(lines, complete))
      fs.rmSync(part)
    }
    fs.writeSync(out, `${JSON.stringify({ name: 'process_name', ph: 'M', pid: 0, tid: 0, args: { name: 'rank 0' } })}\n]\n`)
  } finally {
    fs.closeSync(out)
  }
  fs.renameSync(temporary, path)
}

/** Whole lines of a file, about a mebibyte at a time. */
function* linesOf(path: string): Generator<string> {
  const input = fs.openSync(path, 'r')
  const buffer = Buffer.allocUnsafe(1 << 20)
  let rest = ''
  try {
    for (let count = fs.readSync(input, buffer); count > 0; count = fs.readSync(input, buffer)) {
      const text = rest + buffer.toString('utf8', 0, count)
      const end = text.lastIndexOf('\n') + 1
      rest = text.slice(end)
      if (end > 0) yield text.slice(0, end)
    }
  } finally {
    fs.closeSync(input)
  }
}

function completed(lines: string, complete: Complete): string {
  let text = ''
  for (const line of lines.split('\n')) {
    if (line === '') continue
    const event = JSON.parse(line.slice(0, -1)) as { name: string; args: Record<string, unknown> }
    if (event.name === 'read') complete(event.args)
    text += `${JSON.stringify(event)},\n`
  }
  return text
}
