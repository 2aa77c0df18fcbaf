// Lists of files that threads can share: computed names cost nothing, listed ones are packed into shared memory once.
import type { Workload } from '../config/workload.js'
import type { FileList } from '../order/types.js'
import { computedFiles } from './naming.js'

/** A list as it travels to a thread. */
export type PackedList =
  | { readonly kind: 'computed' }
  | { readonly kind: 'listed'; readonly count: number; readonly offsets: SharedArrayBuffer; readonly text: SharedArrayBuffer }

export interface PackedFiles {
  readonly train: PackedList
  readonly valid: PackedList
}

/** Names packed as UTF-8 behind an array of offsets: shared by all threads, one copy a process. */
export class ListedFiles implements FileList {
  readonly count: number
  private readonly offsets: Float64Array
  private readonly text: Buffer

  constructor(readonly packed: PackedList & { kind: 'listed' }) {
    this.count = packed.count
    this.offsets = new Float64Array(packed.offsets)
    this.text = Buffer.from(packed.text)
  }

  static of(names: readonly string[]): ListedFiles {
    const encoded = Buffer.from(names.join(''))
    const offsets = new SharedArrayBuffer(8 * (names.length + 1))
    const text = new SharedArrayBuffer(encoded.length)
    const at = new Float64Array(offsets)
    for (let i = 0; i < names.length; i++) at[i + 1] = at[i]! + Buffer.byteLength(names[i]!)
    new Uint8Array(text).set(encoded)
    return new ListedFiles({ kind: 'listed', count: names.length, offsets, text })
  }

  name(fileIndex: number): string {
    return this.text.toString('utf8', this.offsets[fileIndex]!, this.offsets[fileIndex + 1]!)
  }
}

/** Makes a list ready for another thread. Anything that is not packed counts as computed: it can be made anew from the workload. */
export function packList(list: FileList): PackedList {
  return list instanceof ListedFiles ? list.packed : { kind: 'computed' }
}

/** The inverse of {@link packList}, for both lists of a data set; those that are not listed are named as the workload names them. */
export function unpackFiles({ train, valid }: PackedFiles, workload: Workload): { train: FileList; valid: FileList } {
  const computed = computedFiles(workload)
  const unpack = (packed: PackedList, named: FileList) => (packed.kind === 'listed' ? new ListedFiles(packed) : named)
  return { train: unpack(train, computed.train), valid: unpack(valid, computed.valid) }
}
