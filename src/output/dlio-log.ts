// dlio.log: the lines that DLIO's rank 0 writes (utility.py: DLIOLogger; statscounter.py; main.py), fed by the run's events as they happen.
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Semantics, Workload } from '../config/workload.js'
import { bytesPerGiB } from '../metrics/dlio-metric.js'
import { fileError } from './atomic.js'
import { type LogLevel, logLevels, type RunEvent, type RunLog, type RunPart } from './events.js'
import { type CheckpointLines, metricLines } from './metric-lines.js'
import { dlioTimestamp, pythonFixed, pythonLiteral } from './python.js'

export interface DlioLogOptions {
  readonly semantics: Semantics
  /** Accelerators of the whole job; DLIO logs rank 0's throughput times this. */
  readonly ranks: number
  /** How the computation time was set, as the log quotes it. */
  readonly computationTime: string
  /** Which checkpoint lines the final block has: DLIO prints them only where the configuration counts checkpoints to write or read. */
  readonly checkpointLines: CheckpointLines
  /** Lines below are dropped. DLIO's default is `warning`. */
  readonly threshold?: LogLevel
  /** Whether the file is another process's, who began it anew. */
  readonly appends?: boolean
  /** Called with each line as well, newline included: the drop-in prints them on stderr. */
  readonly echo?: (text: string) => void
}

const partNames: Readonly<Record<RunPart, string>> = {
  generate: 'Generating data',
  train: 'Training',
  evaluate: 'Evaluation',
  checkpoint: 'Checkpointing',
}

const emptyWindow = 'n/a (metric window empty — too few steps)'

/** The options that follow from a workload. */
export function dlioLogOptions(workload: Workload, ranks: number): DlioLogOptions {
  const train = section(workload.raw, 'train')
  const checkpoint = section(workload.raw, 'checkpoint')
  const given = train.computation_time
  return {
    semantics: workload.semantics,
    ranks,
    // DLIO keeps a plain number as {'mean': number}.
    computationTime: pythonLiteral(typeof given === 'number' ? { mean: given } : (given ?? {})),
    checkpointLines: { save: Number(checkpoint.num_checkpoints_write) > 0, load: Number(checkpoint.num_checkpoints_read) > 0 },
  }
}

function section(raw: Workload['raw'], name: string): Readonly<Record<string, unknown>> {
  const value = raw[name]
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export class DlioLog implements RunLog {
  readonly #file: number
  readonly #threshold: number
  #failure: Error | undefined

  /** Begins the file anew, or appends to it. Errors: StorageError where it cannot be written. */
  constructor(
    readonly path: string,
    readonly options: DlioLogOptions,
  ) {
    this.#threshold = logLevels.indexOf(options.threshold ?? 'warning')
    try {
      this.#file = openSync(path, options.appends === true ? 'a' : 'w')
    } catch (error) {
      throw fileError(path, 'write', error)
    }
  }

  /** Ends the log. Errors: StorageError where any line could not be written, with the first reason. */
  close(): void {
    closeSync(this.#file)
    if (this.#failure) throw fileError(this.path, 'write', this.#failure)
  }

  line(level: LogLevel, text: string): void {
    const stamped = level === 'output' || level === 'info'
    this.#write(level, stamped ? `${dlioTimestamp(Date.now())} ${text}` : text)
  }

  event(event: RunEvent): void {
    if (event.type === 'cacheWarning') {
      this.#write('warning', cacheWarning)
      return
    }
    for (const text of this.#texts(event)) this.#write('output', `${dlioTimestamp(event.atMs)} ${text}`)
    if (event.type === 'runEnd') this.#write('output', metricLines(event.summary, this.options.semantics, this.options.checkpointLines))
  }

  #write(level: LogLevel, message: string): void {
    if (logLevels.indexOf(level) < this.#threshold) return
    const text = `[${level.toUpperCase()}] ${message}\n`
    try {
      writeSync(this.#file, text)
    } catch (error) {
      // A full disk must not end a run in its middle; close() tells.
      this.#failure ??= error as Error
    }
    this.options.echo?.(text)
  }

  /** The stamped lines of an event. */
  #texts(event: RunEvent): string[] {
    const { semantics, ranks, computationTime } = this.options
    switch (event.type) {
      case 'runStart':
        return [`Running DLIO [${event.parts.map((part) => partNames[part]).join(' & ')}] with ${event.ranks} process(es)`]
      case 'generationStart':
        return ['Starting data generation']
      case 'generationEnd':
        return ['Generation done']
      case 'trainPlanned':
        return [
          stepsLine('Max steps per epoch', 'batch size', event, semantics, ranks),
          ...(event.cappedSteps === undefined ? [] : [`Total training steps is set to be ${event.cappedSteps}. It limits each epoch.`]),
        ]
      case 'evalPlanned':
        return [stepsLine('Steps per eval', 'batch size eval', event, semantics, ranks)]
      case 'epochStart':
        return [
          event.capped
            ? `Starting epoch ${event.epoch}: Overriding number of steps to ${event.steps}.`
            : `Starting epoch ${event.epoch}: ${event.steps} steps expected`,
        ]
      case 'blockStart':
        return [`Starting block ${event.block}`]
      case 'blockEnd': {
        const { steps, seconds, auPercent, samplesPerSecond, computeMeanSeconds, computeStdevSeconds } = event.described
        const name = `Epoch ${event.epoch} - Block ${event.block} [Training]`
        const compute =
          computeMeanSeconds === undefined || computeStdevSeconds === undefined
            ? 'n/a+/-n/a (metric window empty — too few steps)'
            : `${pythonFixed(computeMeanSeconds, 4)}+/-${pythonFixed(computeStdevSeconds, 4)}`
        return [
          `Ending block ${event.block} - ${steps} steps completed in ${pythonFixed(seconds, 2)} s`,
          `${name} Accelerator Utilization [AU] (%): ${fixedOrEmpty(auPercent)}`,
          `${name} Throughput (samples/second): ${fixedOrEmpty(samplesPerSecond, ranks)}`,
          `${name} Computation time per step (second): ${compute} (set value: ${computationTime})`,
        ]
      }
      case 'epochEnd':
        return [`Ending epoch ${event.epoch} - ${event.steps} steps completed in ${pythonFixed(event.seconds, 2)} s`]
      case 'evalStart':
        return [`Starting eval - ${event.steps} steps expected`]
      case 'evalEnd':
        return [
          `Ending eval - ${event.steps} steps completed in ${pythonFixed(event.seconds, 2)} s`,
          `Epoch ${event.epoch} [Eval] Accelerator Utilization [AU] (%): ${fixedOrEmpty(event.auPercent)}`,
          `Epoch ${event.epoch} [Eval] Throughput (samples/second): ${fixedOrEmpty(event.samplesPerSecond, ranks)}`,
        ]
      case 'checkpointStart':
        return [
          `Starting ${event.kind === 'save' ? 'saving' : 'loading'} checkpoint ${event.block} after total step ${event.step} for epoch ${event.epoch}`,
        ]
      case 'checkpointEnd': {
        const name = `Finished ${event.kind === 'save' ? 'saving' : 'loading'} checkpoint ${event.block} for epoch ${event.epoch}`
        const rate = event.seconds > 0 ? pythonFixed(event.sizeBytes / bytesPerGiB / event.seconds, 4) : 'n/a'
        const verb = event.kind === 'save' ? 'Saved' : 'Loaded'
        const part = (title: string, seconds: number | undefined) =>
          seconds === undefined ? [] : [`${verb} ${title} checkpoint in ${pythonFixed(seconds, 4)} seconds`]
        return [
          ...part('model', event.modelSeconds),
          ...part('optimizer', event.optimizerSeconds),
          `${name} in ${pythonFixed(event.seconds, 4)} s; Throughput: ${rate} ${semantics === 'mlcommons' ? 'GiB/s' : 'GB/s'}`,
        ]
      }
      case 'checkpointPlanned': {
        const size = (title: string, bytes: number) =>
          `${title} size: ${pythonFixed(bytes / bytesPerGiB, 6)} ${semantics === 'mlcommons' ? 'GiB' : 'GB'} ${event.isSubset ? '(subset)' : ''}`
        return [
          ...(event.parameters === undefined ? [] : [`Total number of parameters in the model: ${event.parameters}`]),
          size('Model', event.modelBytes),
          ...(event.hasOptimizer ? [size('Optimizer state', event.optimizerBytes)] : []),
          size('Total checkpoint', event.modelBytes + event.optimizerBytes),
        ]
      }
      case 'checkpointSeries':
        return [`Checkpointing ${event.kind === 'save' ? 'write' : 'read'} ${event.phase === 'begins' ? 'started' : 'finished'}`]
      case 'outputSaved':
        return [`Saved outputs in ${event.folder}`]
      case 'rankOutputsSaved':
        return ['outputs saved in RANKID_output.json']
      case 'runEnd':
      case 'cacheWarning':
        return []
    }
  }
}

const cacheWarning =
  'The amount of dataset is smaller than the host memory; data might be cached after the first epoch. ' +
  'Increase the size of dataset to eliminate the caching effect!!!'

function fixedOrEmpty(value: number | undefined, factor = 1): string {
  return value === undefined ? emptyWindow : pythonFixed(value * factor, 4)
}

/** MLCommons' fork counts one rank's files (but prints the whole job's: this says the true number), upstream the job's. */
function stepsLine(
  title: string,
  batch: string,
  { steps, samplesPerFile, files, batchSize }: { steps: number; samplesPerFile: number; files: number; batchSize: number },
  semantics: Semantics,
  ranks: number,
): string {
  return semantics === 'mlcommons'
    ? `${title} per rank: ${steps} = ${samplesPerFile} * ${files} / ${batchSize} (samples per file * local files / ${batch})`
    : `${title}: ${steps} = ${samplesPerFile} * ${files} / ${batchSize} / ${ranks} (samples per file * num files / ${batch} / comm size)`
}
