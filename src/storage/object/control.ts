// What the control planes of all providers do alike: count requests, send them again, say what failed, and check what was written and listed.
import { setTimeout as sleep } from 'node:timers/promises'
import { StorageError } from '../../errors.js'
import { objectUri } from '../uri.js'
import { type FailedAttempt, type Retrying, type RetryPolicy, withRetry } from '../wrappers/retry.js'
import { judgeFailure, passingCause } from './control-faults.js'
import { codeOf, storageFailure } from './failure.js'
import type { RetryCause } from './http/faults.js'
import type { ObjectMeter } from './meter.js'
import type { Redactor } from './redactor.js'
import type { ObjectSettings } from './settings.js'
import type { ControlRequests, ControlRetries, ListedObject, ObjectControl, ObjectPlace } from './types.js'

interface Asking {
  readonly place: ObjectPlace
  readonly endpoint: string
  readonly requests: ControlRequests
  readonly retries: ControlRetries
  readonly meter: ObjectMeter
}

/** What a request carries to the storage: a part of an object, or a whole one. */
export interface Cargo {
  readonly byteLength: number
  /** Number of the endpoint that the last attempt went to. */
  endpoint: number
}

export interface AskOptions {
  readonly cargo?: Cargo | undefined
  /** Ends the waiting between attempts. */
  readonly signal?: AbortSignal | undefined
  /** The library itself sends it again where that helps. */
  readonly once?: boolean
}

/** Runs one request, again where its failure may pass, and counts it; its errors become the program's. `operation`: what is done, for the message. */
export type Ask = <T>(
  kind: keyof ControlRequests,
  operation: string,
  key: string,
  request: () => Promise<T>,
  options?: AskOptions,
) => Promise<T>

export function asking(control: Asking, redactor: Redactor, { maxAttempts, retry }: Pick<ObjectSettings, 'maxAttempts' | 'retry'>): Ask {
  return async <T>(kind: keyof ControlRequests, operation: string, key: string, request: () => Promise<T>, options: AskOptions = {}) => {
    const { cargo, signal } = options
    let attempts = 0
    const attempt = async (): Promise<T> => {
      control.requests[kind]++
      attempts++
      const sentMs = performance.now()
      try {
        const answer = await request()
        if (cargo !== undefined) {
          control.meter.accepted(cargo.endpoint, performance.now() - sentMs, cargo.byteLength)
          control.meter.completed(attempts)
        }
        return answer
      } catch (error) {
        // What was cancelled has not failed.
        if (cargo !== undefined && signal?.aborted !== true) control.meter.failed(cargo.endpoint)
        throw error
      }
    }
    const beginMs = performance.now()
    const fail = (error: unknown, attempts?: number, reason?: string) =>
      storageFailure(error, { uri: objectUri(control.place, key), operation, endpoint: control.endpoint, attempts, reason }, redactor)
    try {
      return await attempt()
    } catch (error) {
      if (options.once === true) throw fail(error, (error as { attempts?: number }).attempts)
      return await retried({ error, beginMs }, attempt, { ...retry, maxAttempts }, { control, fail, signal })
    }
  }
}

export function countRetry(retries: ControlRetries, cause: RetryCause): void {
  retries[cause] = (retries[cause] ?? 0) + 1
}

interface Surroundings {
  readonly control: Asking
  readonly fail: (error: unknown, attempts: number, reason: string | undefined) => unknown
  readonly signal: AbortSignal | undefined
}

async function retried<T>(
  first: { readonly error: unknown; readonly beginMs: number },
  attempt: () => Promise<T>,
  policy: RetryPolicy,
  { control, fail, signal }: Surroundings,
): Promise<T> {
  let answer: T | undefined
  let clockWasSet = false
  const retrying: Retrying = {
    judge: ({ error }: FailedAttempt) => {
      if (signal?.aborted === true || error instanceof StorageError) return { next: 'giveUp' }
      const setsClock = !clockWasSet && codeOf(error) === 'RequestTimeTooSkewed'
      clockWasSet ||= setsClock
      return judgeFailure(error, setsClock)
    },
    retries: ({ error }) => {
      countRetry(control.retries, passingCause(error) ?? 'badResponse')
    },
    giveUp: ({ error, attempts }, reason) => fail(error, attempts, reason),
    sleep: (durationMs) => sleep(durationMs, undefined, { signal }).catch(() => {}),
  }
  await withRetry(
    first,
    async () => {
      answer = await attempt()
    },
    policy,
    retrying,
  )
  return answer as T
}

/** The program's error for one that a request ended with. */
export function controlFailure(
  { place, endpoint }: Asking,
  error: unknown,
  operation: string,
  key: string,
  redactor: Redactor,
): StorageError {
  return storageFailure(error, { uri: objectUri(place, key), operation, endpoint }, redactor)
}

/** Asks whether what was written is there, whole. Throws StorageError. `noun`: what the provider calls an object. */
export async function checkSize(control: ObjectControl & Asking, key: string, wantedBytes: number, noun = 'object'): Promise<void> {
  const found = await control.head(key, wantedBytes)
  if (found?.sizeBytes === wantedBytes) return
  throw new StorageError(
    objectUri(control.place, key),
    'write',
    `${wantedBytes} bytes were sent and accepted, but the ${noun} ${found === undefined ? 'is not there' : `has ${found.sizeBytes}`}; endpoint ${control.endpoint}`,
    'SizeMismatch',
  )
}

/** Pages without an object that may come one after the other: services skip what is deleted, but come to an end. */
const mostEmptyPages = 10_000

/** Follows a listing from page to page, and ends one that goes in circles. */
export class PageTurner {
  page = 1
  private readonly seen = new Set<string>()
  private firstKey: string | undefined
  private emptyPages = 0

  constructor(
    private readonly control: Pick<Asking, 'place' | 'endpoint'>,
    private readonly prefix: string,
  ) {}

  /** What is done, for messages. */
  get operation(): string {
    return this.page === 1 ? 'list' : `list (page ${this.page})`
  }

  /** Takes a page and the token of the next; returns whether there is one. Throws StorageError where the server leads nowhere. */
  turn(objects: readonly ListedObject[], token: string | undefined): boolean {
    const firstKey = objects[0]?.key
    if (firstKey !== undefined && firstKey === this.firstKey) throw this.lost('sends the same page again')
    this.firstKey = firstKey ?? this.firstKey
    this.emptyPages = firstKey === undefined ? this.emptyPages + 1 : 0
    if (token === undefined) return false
    if (token === '') throw this.lost('says there is more, but not where to go on')
    if (this.seen.has(token)) throw this.lost('sends the same page again')
    if (this.emptyPages > mostEmptyPages) throw this.lost(`sends more than ${mostEmptyPages} pages without an object`)
    this.seen.add(token)
    this.page++
    return true
  }

  private lost(what: string): StorageError {
    return new StorageError(
      objectUri(this.control.place, this.prefix),
      this.operation,
      `the server ${what}; endpoint ${this.control.endpoint}`,
      'BadListing',
    )
  }
}
