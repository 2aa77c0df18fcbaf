// What the main thread and the thread that speaks MPI tell each other. The gate's bell announces messages to the latter.
import type { SerializedError } from '../errors.js'
import type { Launch } from './launcher.js'

export interface MpiThreadStart {
  readonly launch: Launch
  readonly gate: SharedArrayBuffer
}

export type Operation = 'barrier' | 'gather' | 'allGather' | 'broadcast'

export type ToMpi =
  | { readonly kind: 'call'; readonly id: number; readonly operation: Operation; readonly bytes: Uint8Array }
  | { readonly kind: 'wakes'; readonly words: Int32Array; readonly index: number }
  /** To all other processes, at once and outside of collectives; at most `mostAlarmBytes` long. */
  | { readonly kind: 'alarm'; readonly bytes: Uint8Array }
  | { readonly kind: 'abort'; readonly exitCode: number }
  | { readonly kind: 'close' }

export type FromMpi =
  | { readonly kind: 'joined'; readonly process: number; readonly processes: number }
  | { readonly kind: 'answer'; readonly id: number; readonly parts: readonly Uint8Array[] }
  | { readonly kind: 'alarm'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly error: SerializedError }
  | { readonly kind: 'closed' }

export const mostAlarmBytes = 4096
