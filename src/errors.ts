// The errors of the program: few classes, each with an exit code and typed fields, that survive the way across a thread border.

/** What went wrong in one place of a configuration. All of a file's problems are reported at once. */
export interface ConfigProblem {
  /** Where: a file's path, or `command line`. */
  readonly source: string
  readonly line?: number
  readonly column?: number
  /** Dotted path of the key, for example `reader.batch_size`. */
  readonly path: string
  /** The value seen, as text; absent where a key is missing. */
  readonly value?: string
  /** The rule it breaks. */
  readonly rule: string
  /** What to do about it. */
  readonly remedy?: string
  /** The offending line of the file, or the override as it was given; absent where it holds a secret. */
  readonly excerpt?: string
}

/** Base of all errors that are meant for people: one clear message, an exit code of the command line contract, fields for programs. */
export abstract class DlDriverError extends Error {
  abstract readonly tag: string
  /** Exit code of the process (docs: command line contract). */
  abstract readonly exitCode: number
  /** The fields that must survive serialisation, beside message and cause. */
  abstract fields(): Record<string, unknown>
}

/** The command line or the configuration is wrong; nothing was touched. */
export class ConfigError extends DlDriverError {
  readonly tag = 'config'
  readonly exitCode = 2
  constructor(
    message: string,
    readonly problems: readonly ConfigProblem[] = [],
  ) {
    super(message)
    this.name = 'ConfigError'
  }
  override fields() {
    return { problems: this.problems }
  }
}

/** A data file is not what it claims or what the configuration says: truncated, foreign, wrong shape, failing checksum. */
export class DataError extends DlDriverError {
  readonly tag = 'data'
  readonly exitCode = 1
  constructor(
    /** Path or URI of the file. */
    readonly uri: string,
    /** What is wrong with it, with the numbers seen and expected. */
    readonly detail: string,
    /** Byte offset in the file at which it shows, where that is known. */
    readonly byteOffset?: number,
  ) {
    super(`${uri}: ${detail}${byteOffset === undefined ? '' : ` (at byte ${byteOffset})`}`)
    this.name = 'DataError'
  }
  override fields() {
    return { uri: this.uri, detail: this.detail, byteOffset: this.byteOffset }
  }
}

/** The storage refused or failed an operation. */
export class StorageError extends DlDriverError {
  readonly tag = 'storage'
  readonly exitCode = 1
  constructor(
    readonly uri: string,
    /** What was tried: `open`, `read`, `list`, `write`, … */
    readonly operation: string,
    readonly detail: string,
    /** The system's or provider's code, such as `ENOENT`. */
    readonly code?: string,
  ) {
    super(`${uri}: cannot ${operation}: ${detail}${code === undefined ? '' : ` (${code})`}`)
    this.name = 'StorageError'
  }
  override fields() {
    return { uri: this.uri, operation: this.operation, detail: this.detail, code: this.code }
  }
}

/** The run itself failed: a thread died, a reader stalled, the data set does not fit the plan. `exitCode` 2 where nothing was touched yet. */
export class RunError extends DlDriverError {
  readonly tag = 'run'
  constructor(
    message: string,
    readonly exitCode: number = 1,
  ) {
    super(message)
    this.name = 'RunError'
  }
  override fields() {
    return { exitCode: this.exitCode }
  }
}

/** A run that failed while a thread hangs in a read that does not return: the process must be ended by force. */
export class HangingError extends DlDriverError {
  readonly tag = 'hanging'
  readonly exitCode = 1
  constructor(override readonly cause: Error) {
    super(cause.message)
    this.name = 'HangingError'
  }
  override fields() {
    return {}
  }
}

/** A plain object that can be posted to another thread without losing what makes the error what it is. */
export interface SerializedError {
  readonly tag: string
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
  readonly fields: Record<string, unknown>
}

/** Turns any thrown value into a plain object; `postMessage` alone loses class, code and fields. */
export function serializeError(error: unknown): SerializedError {
  if (error instanceof DlDriverError)
    return { tag: error.tag, name: error.name, message: error.message, stack: error.stack, fields: error.fields() }
  if (error instanceof Error)
    return {
      tag: 'unexpected',
      name: error.name,
      message: error.message,
      stack: error.stack,
      fields: { code: (error as NodeJS.ErrnoException).code },
    }
  return { tag: 'unexpected', name: 'Error', message: String(error), fields: {} }
}

/** The inverse of {@link serializeError}: an error of the same class with the same message and fields. */
export function restoreError(plain: SerializedError): Error {
  const f = plain.fields as Record<string, never>
  const error = (() => {
    switch (plain.tag) {
      case 'config':
        return new ConfigError(plain.message, f.problems)
      case 'data':
        return new DataError(f.uri as unknown as string, f.detail as unknown as string, f.byteOffset)
      case 'storage':
        return new StorageError(f.uri as unknown as string, f.operation as unknown as string, f.detail as unknown as string, f.code)
      case 'run':
        return new RunError(plain.message, f.exitCode)
      default:
        return Object.assign(new Error(plain.message), { name: plain.name, code: f.code })
    }
  })()
  if (plain.stack !== undefined) error.stack = plain.stack
  return error
}
