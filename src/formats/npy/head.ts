// The head of .npy files: what their header says of samples. Files of one data set mostly have the same one, which is parsed once.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { checkSamples, type ExpectedSamples, samplesAreContiguous } from '../sample-array.js'
import { type NpyHeader, parseNpyHeader } from './layout.js'

/** A header, with its own bytes. */
export interface Head {
  readonly header: NpyHeader
  readonly view: DataView
  readonly samples: number
  readonly sampleBytes: number
  readonly headerBytes: number
  readonly fileBytes: number
  readonly contiguous: boolean
}

export class NpyHeads {
  #head: Head | undefined

  constructor(
    private readonly port: IoPort,
    private readonly expected: ExpectedSamples,
  ) {}

  /** The head of the file whose first `askedBytes` bytes were just read; the window still holds them, unless the header is longer. */
  *read(uri: string, handle: number, askedBytes: number): Io<Head> {
    const { window } = this.port
    if (this.#head !== undefined && sameHead(this.#head, window.view, window.begin, window.end)) return this.#head
    if (window.begin === window.end) throw new DataError(uri, 'is empty: it has 0 bytes')
    for (let asked = askedBytes; ; ) {
      const { bytes, begin, end } = window
      const header = parseNpyHeader(uri, bytes, begin, end, 0)
      if (typeof header !== 'number') {
        const samples = checkSamples(uri, header, this.expected, 'the array')
        this.#head = {
          header,
          view: new DataView(bytes.slice(begin, begin + header.headerBytes).buffer),
          samples,
          sampleBytes: header.dataBytes / samples,
          headerBytes: header.headerBytes,
          fileBytes: header.headerBytes + header.dataBytes,
          contiguous: samplesAreContiguous(header, samples),
        }
        return this.#head
      }
      if (end - begin < asked) throw new DataError(uri, `is truncated: it ends within its header of ${header} bytes or more`, end - begin)
      if (header > window.capacity)
        throw new DataError(uri, `has a header of ${header} bytes, more than the ${window.capacity} that can be read at once`)
      asked = header
      yield this.port.read(handle, 0, asked)
    }
  }

  /** Holds the length of the file against its head. @throws DataError */
  *checkLength(uri: string, handle: number, head: Head): Io<void> {
    const fileBytes = yield this.port.size(handle)
    if (fileBytes !== head.fileBytes) failLength(uri, fileBytes, head)
  }
}

/** @throws DataError */
export function failLength(uri: string, fileBytes: number, head: Head): never {
  throw new DataError(
    uri,
    fileBytes < head.fileBytes
      ? `is truncated: it ends at byte ${fileBytes}, its header and array take ${head.fileBytes}; generate or copy it again`
      : `goes on behind its header and array, which take ${head.fileBytes} bytes`,
    Math.min(fileBytes, head.fileBytes),
  )
}

/** Whether bytes [begin, end) of `view` begin with the same header. */
function sameHead(head: Head, view: DataView, begin: number, end: number): boolean {
  const known = head.view
  const length = known.byteLength
  if (end - begin < length) return false
  let i = 0
  for (; i + 4 <= length; i += 4) if (view.getInt32(begin + i) !== known.getInt32(i)) return false
  for (; i < length; i++) if (view.getUint8(begin + i) !== known.getUint8(i)) return false
  return true
}
