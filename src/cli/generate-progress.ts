// How a generation is going, for people: one live line on a terminal, else a line every ten seconds.
import type { GenerateProgress } from '../dataset/generate.js'

/** Shorter generations say nothing on the way. */
const quietSeconds = 2
const lineEverySeconds = 10

/** `1.23 GB`: decimal units, three digits. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = Math.round(bytes)
  let unit = 0
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`
}

/** `45 s`, `12 min 05 s`, `3 h 07 min`. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`
}

/**
 * Seconds until the end at the speed so far, undefined while that is not known. Bytes tell it better than files when files are few and
 * large; files are what counts when they are tiny. Kept files cost nothing and do not count.
 */
export function remainingSeconds(progress: GenerateProgress): number | undefined {
  const filesToWrite = progress.filesTotal - progress.filesSkipped
  const byFiles = progress.filesWritten / filesToWrite
  const byBytes = progress.bytesPerFile === null ? 0 : progress.bytesWritten / (progress.bytesPerFile * filesToWrite)
  const done = Math.min(1, Math.max(byFiles, byBytes))
  return done > 0 ? (progress.seconds * (1 - done)) / done : undefined
}

export function progressText(progress: GenerateProgress): string {
  const { filesTotal, filesWritten, filesSkipped, bytesWritten, seconds } = progress
  const remaining = remainingSeconds(progress)
  const kept = filesSkipped > 0 ? ` (${filesSkipped} kept)` : ''
  const rate = `${sizeText(bytesWritten / seconds)}/s`
  const eta = remaining === undefined ? '' : `, ${durationText(remaining)} left`
  return `generating: ${filesWritten + filesSkipped} of ${filesTotal} files${kept}, ${sizeText(bytesWritten)}, ${rate}${eta}`
}

/** What is asked of the stream that progress is shown on. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Shows progress on a stream. */
export class GenerateProgressView {
  #shownSeconds = 0
  #isLineOpen = false

  constructor(private readonly stream: ProgressStream) {}

  show(progress: GenerateProgress): void {
    if (progress.seconds < quietSeconds) return
    if (this.stream.isTTY === true) {
      // Cut to the width (0 where the terminal does not tell): a line that wraps cannot be taken back.
      this.stream.write(`\r\x1b[K${progressText(progress).slice(0, (this.stream.columns || 80) - 1)}`)
      this.#isLineOpen = true
      return
    }
    if (progress.seconds - this.#shownSeconds < lineEverySeconds) return
    this.#shownSeconds = progress.seconds
    this.stream.write(`${progressText(progress)}\n`)
  }

  /** Takes the live line away. */
  end(): void {
    if (this.#isLineOpen) this.stream.write('\r\x1b[K')
    this.#isLineOpen = false
  }
}
