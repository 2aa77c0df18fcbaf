// Memory that the threads of a process share: permuted file lists and sample tables. One thread writes it between epochs, all read it.

/** Enough for any sample index below the given bound, as narrow as possible. */
export type IndexArray = Uint8Array | Uint16Array | Uint32Array

type Maker<A> = (buffer: SharedArrayBuffer, byteOffset: number, length: number) => A

/** Memory of the epoch number, in front of the arrays. */
const headerBytes = 8

/** Lays out arrays in one SharedArrayBuffer. Declare first, then `attach`; the declared arrays exist from then on. */
export class SharedLists {
  private declaredBytes = 0
  private buffer: SharedArrayBuffer | undefined

  /** Bytes needed, 0 where no array is declared. */
  get bytes(): number {
    return this.declaredBytes
  }

  uint32(length: number): () => Uint32Array {
    return this.declare(length, 4, (buffer, at, count) => new Uint32Array(buffer, at, count))
  }

  /** An array for numbers below `bound`. */
  indices(length: number, bound: number): () => IndexArray {
    if (bound <= 0x100) return this.declare<IndexArray>(length, 1, (buffer, at, count) => new Uint8Array(buffer, at, count))
    if (bound <= 0x10000) return this.declare<IndexArray>(length, 2, (buffer, at, count) => new Uint16Array(buffer, at, count))
    return this.uint32(length)
  }

  private declare<A>(length: number, width: number, make: Maker<A>): () => A {
    const at = Math.max(this.declaredBytes, headerBytes)
    this.declaredBytes = at + Math.ceil((length * width) / 8) * 8
    let view: A | undefined
    return () => {
      if (view === undefined) {
        if (this.buffer === undefined) throw new Error('the shared lists are used before memory is attached')
        view = make(this.buffer, at, length)
      }
      return view
    }
  }

  /** @param buffer at least `bytes` long; all threads attach the same one. */
  attach(buffer: SharedArrayBuffer): void {
    if (buffer.byteLength < this.bytes) throw new Error(`the shared lists need ${this.bytes} bytes, ${buffer.byteLength} were given`)
    this.buffer = buffer
  }

  get isAttached(): boolean {
    return this.buffer !== undefined
  }

  /** Epoch that the arrays are at, 0 before the first. */
  get epoch(): number {
    return this.buffer === undefined ? 0 : Atomics.load(new Int32Array(this.buffer, 0, 1), 0)
  }

  set epoch(epoch: number) {
    Atomics.store(new Int32Array(this.buffer!, 0, 1), 0, epoch)
  }
}
