// What a person sees while a run goes on: one live line on a terminal, a line every ten seconds elsewhere. All of it on stderr.
import { type LogLevel, logLevels, type RunEvent, type RunLog } from './events.js'
import { decimalBytes, grouped, type Palette, paletteFor, printable, shortDuration, shortNumber } from './text.js'

export type RunPhase = 'starting' | 'generating' | 'training' | 'evaluating' | 'checkpointing' | 'finishing'

/** Where a run is. Pulled when it is shown, so that the run itself only keeps counters. */
export interface ProgressSnapshot {
  readonly phase: RunPhase
  /** From 1; 0 before the first. */
  readonly epoch: number
  readonly epochs: number
  /** Steps done in this epoch (of evaluation while evaluating), and how many there are. */
  readonly step: number
  readonly steps: number
  /** Absent until a step has counted. */
  readonly auPercentSoFar?: number
  /** Asked of the storage, and samples delivered, since the run began. */
  readonly bytes: number
  readonly samples: number
  /** Of checkpoints, written since the run began. */
  readonly checkpointBytes?: number
  /** Since the run began: making the data set before does not count. */
  readonly elapsedSeconds: number
}

export type Verbosity = 'quiet' | 'normal' | 'verbose'

export interface TerminalOptions {
  readonly verbosity: Verbosity
  /** Where to write; process.stderr unless a test says otherwise. */
  readonly stream?: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number }
  readonly environment?: NodeJS.ProcessEnv
}

const liveMs = 200
const plainMs = 10_000

/** Progress of a run for people. Warnings and, when verbose, events appear as lines of their own, above the live one. */
export class TerminalReporter implements RunLog {
  readonly #stream: NonNullable<TerminalOptions['stream']>
  readonly #verbosity: Verbosity
  readonly #live: boolean
  readonly palette: Palette
  #timer: NodeJS.Timeout | undefined
  #liveText = ''
  // Rates are of the last one to two seconds: since `#since`, which `#next` replaces when it is a second old.
  #since: ProgressSnapshot | undefined
  #next: ProgressSnapshot | undefined

  constructor(options: TerminalOptions) {
    const environment = options.environment ?? process.env
    this.#stream = options.stream ?? process.stderr
    this.#verbosity = options.verbosity
    this.palette = paletteFor(this.#stream.isTTY === true, environment)
    this.#live = this.#stream.isTTY === true && environment.TERM !== 'dumb'
  }

  /** Begins to show what `snapshot` tells: five times a second on a terminal, every ten seconds elsewhere. Does not keep the process alive. */
  start(snapshot: () => Omit<ProgressSnapshot, 'elapsedSeconds'>): void {
    if (this.#verbosity === 'quiet') return
    this.stop()
    const beginMs = performance.now()
    const show = () => this.show({ ...snapshot(), elapsedSeconds: (performance.now() - beginMs) / 1000 })
    this.#timer = setInterval(show, this.#live ? liveMs : plainMs)
    this.#timer.unref()
  }

  /** Shows one snapshot now. */
  show(snapshot: ProgressSnapshot): void {
    if (this.#verbosity === 'quiet') return
    if (this.#next === undefined || snapshot.elapsedSeconds - this.#next.elapsedSeconds >= 1) {
      this.#since = this.#next
      this.#next = snapshot
    }
    const text = progressLine(snapshot, this.#since, this.#live ? this.palette : undefined)
    if (!this.#live) {
      this.#stream.write(`${text}\n`)
      return
    }
    this.#liveText = fit(text, this.#stream.columns || 80)
    this.#stream.write(`\r\x1b[2K${this.#liveText}`)
  }

  /** Ends the progress display and clears the live line. */
  stop(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = undefined
    this.#erase()
    this.#liveText = ''
  }

  line(level: LogLevel, text: string): void {
    if (this.#verbosity === 'quiet') return
    if (level === 'output' || logLevels.indexOf(level) < logLevels.indexOf('warning')) {
      if (this.#verbosity === 'verbose') this.#say(printable(text))
      return
    }
    const mark = level === 'warning' ? this.palette.warn('warning:') : this.palette.bad('error:')
    this.#say(`${mark} ${printable(text)}`)
  }

  event(event: RunEvent): void {
    if (this.#verbosity !== 'verbose') return
    const text = eventText(event)
    if (text !== undefined) this.#say(text)
  }

  /** A line that stays, above the live one. */
  #say(text: string): void {
    this.#erase()
    this.#stream.write(`${text}\n${this.#liveText}`)
  }

  #erase(): void {
    if (this.#liveText !== '') this.#stream.write('\r\x1b[2K')
  }
}

/** `training  epoch 2/5  step 120/480  ETA 1:23  AU 92.1 %  3.21 GB/s  1,234 samples/s`; unknown parts are left out. */
export function progressLine(now: ProgressSnapshot, before: ProgressSnapshot | undefined, palette?: Palette): string {
  const parts: string[] = [palette ? palette.bold(now.phase) : now.phase]
  if (now.epoch > 0) parts.push(`epoch ${now.epoch}/${now.epochs}`)
  if (now.steps > 0) parts.push(`step ${grouped(now.step)}/${grouped(now.steps)}`)
  const etaSeconds = remainingSeconds(now)
  if (etaSeconds !== undefined) parts.push(`ETA ${shortDuration(etaSeconds)}`)
  if (now.auPercentSoFar !== undefined) parts.push(`AU ${now.auPercentSoFar.toFixed(1)} %`)
  const since = before ?? { bytes: 0, samples: 0, elapsedSeconds: 0 }
  const seconds = now.elapsedSeconds - since.elapsedSeconds
  if (seconds > 0 && now.samples > 0) {
    parts.push(`${decimalBytes((now.bytes - since.bytes) / seconds)}/s`)
    parts.push(`${shortNumber((now.samples - since.samples) / seconds)} samples/s`)
  }
  if (now.phase === 'checkpointing' && now.checkpointBytes !== undefined) parts.push(`${decimalBytes(now.checkpointBytes)} written`)
  return parts.join('  ')
}

/** Time left, if training goes on as it went so far; undefined before the first step and outside training. */
export function remainingSeconds(now: ProgressSnapshot): number | undefined {
  if (now.phase !== 'training' || now.epoch < 1 || now.steps === 0) return undefined
  const done = ((now.epoch - 1) * now.steps + now.step) / (now.epochs * now.steps)
  return done > 0 ? (now.elapsedSeconds * (1 - done)) / done : undefined
}

/** Leaves out what does not fit into the terminal's width, since a wrapped line cannot be rewritten, and half a number is another one. Escape sequences take no room. */
function fit(text: string, columns: number): string {
  let kept: string | undefined
  for (const part of text.split('  ')) {
    const longer: string = kept === undefined ? part : `${kept}  ${part}`
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
    if ([...longer.replace(/\x1b\[\d+m/g, '')].length >= columns) break
    kept = longer
  }
  return kept ?? ''
}

function eventText(event: RunEvent): string | undefined {
  const au = (auPercent: number | undefined) => (auPercent === undefined ? '' : `, AU ${auPercent.toFixed(2)} %`)
  switch (event.type) {
    case 'generationStart':
      return 'generating data'
    case 'generationEnd':
      return 'data generated'
    case 'epochStart':
      return `epoch ${event.epoch}: ${grouped(event.steps)} steps`
    case 'blockEnd': {
      const { steps, seconds, auPercent } = event.described
      return `epoch ${event.epoch} block ${event.block}: ${grouped(steps)} steps in ${shortDuration(seconds)}${au(auPercent)}`
    }
    case 'evalEnd':
      return `epoch ${event.epoch} evaluation: ${grouped(event.steps)} steps in ${shortDuration(event.seconds)}${au(event.auPercent)}`
    case 'checkpointEnd': {
      const verb = event.kind === 'save' ? 'saved' : 'loaded'
      return `epoch ${event.epoch} checkpoint ${event.block}: ${decimalBytes(event.sizeBytes)} ${verb} in ${shortDuration(event.seconds)}`
    }
    default:
      return undefined
  }
}
