// What the control planes of all providers do alike: count requests, say what failed, and check what was written.
import { StorageError } from '../../errors.js'
import { objectUri } from '../uri.js'
import { type Redactor, storageFailure } from './failure.js'
import type { ControlRequests, ObjectControl, ObjectPlace } from './types.js'

interface Asking {
  readonly place: ObjectPlace
  readonly endpoint: string
  readonly requests: ControlRequests
}

/** Runs one request and counts it; its errors become the program's. `operation`: what is done, for the message. */
export type Ask = <T>(kind: keyof ControlRequests, operation: string, key: string, request: () => Promise<T>) => Promise<T>

export function asking(control: Asking, redactor: Redactor): Ask {
  return async (kind, operation, key, request) => {
    control.requests[kind]++
    try {
      return await request()
    } catch (error) {
      throw controlFailure(control, error, operation, key, redactor)
    }
  }
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
  const found = await control.head(key)
  if (found?.sizeBytes === wantedBytes) return
  throw new StorageError(
    objectUri(control.place, key),
    'write',
    `${wantedBytes} bytes were sent and accepted, but the ${noun} ${found === undefined ? 'is not there' : `has ${found.sizeBytes}`}; endpoint ${control.endpoint}`,
    'SizeMismatch',
  )
}
