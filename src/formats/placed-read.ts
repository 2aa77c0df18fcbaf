// Reading bytes of a file to a given place in memory. The kernel copies several times faster to addresses that are multiples of 64, so
// that a few bytes before such an address are copied by hand, and everything behind it lands where it belongs with one call.
import type { IoPort } from '../storage/io.js'
import type { Io, Window } from '../storage/types.js'
import type { DecoderOptions } from './decoder.js'

const lineBytes = 64

export class PlacedReads {
  readonly #target: Window

  constructor(
    private readonly port: IoPort,
    private readonly options: Pick<DecoderOptions, 'requestBytes' | 'throughWindow'>,
  ) {
    this.#target = { ...port.window, capacity: Number.MAX_SAFE_INTEGER }
  }

  /** How many bytes from index `at` of page-aligned memory on are better copied by hand. */
  static leadBytes(at: number): number {
    return (lineBytes - (at % lineBytes)) % lineBytes
  }

  /**
   * Reads up to `byteLength` bytes from `byteOffset` of the file to bytes[at …] and returns how many there were before the file's end.
   * @param held file offset of the bytes that the port's window holds now, where it holds some of this file
   */
  *read(handle: number, byteOffset: number, byteLength: number, bytes: Uint8Array, at: number, held?: number): Io<number> {
    const { window } = this.port
    let done = 0
    if (held !== undefined && byteOffset >= held) {
      const heldEnd = held + window.end - window.begin
      // All that is held where it is the end of what is wanted, otherwise just up to the next aligned address.
      const wanted = this.options.throughWindow || byteOffset + byteLength <= heldEnd ? byteLength : PlacedReads.leadBytes(at)
      const n = Math.min(wanted, heldEnd - byteOffset)
      if (n > 0) {
        const from = window.begin + byteOffset - held
        bytes.set(window.bytes.subarray(from, from + n), at)
        done = n
      }
    }
    while (done < byteLength) {
      const left = byteLength - done
      const lead = PlacedReads.leadBytes(at + done)
      const got =
        this.options.throughWindow || lead > 0
          ? yield* this.#throughWindow(
              handle,
              byteOffset + done,
              this.options.throughWindow ? left : Math.min(left, lead),
              bytes,
              at + done,
            )
          : yield* this.#straight(handle, byteOffset + done, left, bytes, at + done)
      if (got === 0) break
      done += got
    }
    return done
  }

  *#throughWindow(handle: number, byteOffset: number, byteLength: number, bytes: Uint8Array, at: number): Io<number> {
    const { port } = this
    const got = yield port.read(handle, byteOffset, Math.min(byteLength, this.options.requestBytes))
    bytes.set(port.window.bytes.subarray(port.window.begin, port.window.begin + got), at)
    return got
  }

  *#straight(handle: number, byteOffset: number, byteLength: number, bytes: Uint8Array, at: number): Io<number> {
    const target = this.#target as { -readonly [K in keyof Window]: Window[K] }
    target.bytes = bytes.subarray(at, at + byteLength)
    const got = yield this.port.readTo(target, handle, byteOffset, byteLength)
    // Storage may answer behind the beginning of the memory that it was given.
    if (target.begin > 0) target.bytes.copyWithin(0, target.begin, target.begin + got)
    return got
  }
}
