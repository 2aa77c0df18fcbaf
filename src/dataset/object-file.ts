// A file that is made in slots and uploaded part by part while it is made. Its beginning stays until the end, since headers are known last.
import type { OutputFile } from '../formats/types.js'
import type { Filled, ObjectMessage, SlotLayout, SlotStates } from './object-slots.js'

/** Memory of a slot of unlimited size at first. */
const firstBytes = 1 << 20

interface Piece {
  readonly slot: number
  /** Where in the file it begins. */
  readonly byteOffset: number
  length: number
}

export class ObjectFile implements OutputFile {
  readonly #memories: SharedArrayBuffer[]
  #name = ''
  #byteLength = 0
  /** Pieces that are still here: the first, the last but one, the last. Headers are patched there. */
  #pieces: Piece[] = []

  /** @param onWrite is told of bytes as they come; what it throws stops the file, and a wait for a slot */
  constructor(
    private readonly layout: SlotLayout,
    private readonly states: SlotStates,
    private readonly post: (message: ObjectMessage) => void,
    private readonly onWrite: (sizeBytes: number) => void,
  ) {
    this.#memories = Array.from({ length: layout.slots }, () => new SharedArrayBuffer(layout.slotBytes ?? firstBytes))
  }

  get byteLength(): number {
    return this.#byteLength
  }

  /** Starts the file that will be called `name`. */
  open(name: string): void {
    this.#name = name
    this.#byteLength = 0
    this.#pieces = []
    this.#begin()
  }

  append(bytes: Uint8Array): void {
    this.onWrite(bytes.length)
    for (let done = 0; done < bytes.length; ) {
      let piece = this.#pieces.at(-1)!
      if (piece.length === this.layout.slotBytes) piece = this.#begin()
      const room = this.layout.slotBytes === null ? this.#grown(piece, bytes.length - done) : this.layout.slotBytes - piece.length
      const length = Math.min(room, bytes.length - done)
      new Uint8Array(this.#memories[piece.slot]!, piece.length, length).set(bytes.subarray(done, done + length))
      piece.length += length
      this.#byteLength += length
      done += length
    }
  }

  patch(byteOffset: number, bytes: Uint8Array): void {
    const end = byteOffset + bytes.length
    if (byteOffset < 0 || end > this.#byteLength)
      throw new RangeError(`bytes ${byteOffset} to ${end} are beyond the ${this.#byteLength} written so far`)
    let patched = 0
    for (const piece of this.#pieces) {
      const from = Math.max(byteOffset, piece.byteOffset)
      const to = Math.min(end, piece.byteOffset + piece.length)
      if (from >= to) continue
      const target = new Uint8Array(this.#memories[piece.slot]!, from - piece.byteOffset, to - from)
      target.set(bytes.subarray(from - byteOffset, to - byteOffset))
      patched += to - from
    }
    if (patched < bytes.length) throw new RangeError(`bytes ${byteOffset} to ${end} of ${this.#name} have been uploaded already`)
  }

  /** Hands over what is left. The object becomes visible once all of it has arrived. */
  commit(): void {
    const [head, ...rest] = this.#pieces
    for (const piece of rest) this.#send(piece)
    this.#pieces = []
    this.post({ kind: 'end', name: this.#name, head: this.#filled(head!) })
    this.#name = ''
  }

  /** Gives back the slots of an unfinished file; does nothing when there is none. */
  discard(): void {
    for (const piece of this.#pieces) this.states.giveBack(piece.slot)
    this.#pieces = []
    this.#name = ''
  }

  #begin(): Piece {
    // The last but one has gone out of reach of any patch.
    if (this.#pieces.length === 3) this.#send(this.#pieces.splice(1, 1)[0]!)
    const piece = { slot: this.states.take(() => this.onWrite(0)), byteOffset: this.#byteLength, length: 0 }
    this.#pieces.push(piece)
    return piece
  }

  #send(piece: Piece): void {
    this.post({ kind: 'part', name: this.#name, part: this.#filled(piece) })
  }

  #filled({ slot, length }: Piece): Filled {
    return { slot, memory: this.#memories[slot]!, byteLength: length }
  }

  /** Room of a piece that takes the whole file, after making more where that is needed. */
  #grown(piece: Piece, wanted: number): number {
    const memory = this.#memories[piece.slot]!
    if (memory.byteLength - piece.length < wanted) {
      const larger = new SharedArrayBuffer(Math.max(2 * memory.byteLength, piece.length + wanted))
      new Uint8Array(larger).set(new Uint8Array(memory, 0, piece.length))
      this.#memories[piece.slot] = larger
      return larger.byteLength - piece.length
    }
    return memory.byteLength - piece.length
  }
}
