// Reads samples of .npz files over the I/O seam. What is asked of the storage, and why, is in README.md.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { ArrayFileReader } from '../array-file-reader.js'
import { inflaterOnDemand } from '../inflate.js'
import { u32 } from '../little-endian.js'
import { checkSampleIndex, checkSamples } from '../sample-array.js'
import { SequentialSource } from '../sequential.js'
import type { ReaderOptions } from '../types.js'
import { failForeign, type Head, recogniseHead } from './head.js'
import {
  endBytes,
  endRecordsBytes,
  findEndRecord,
  localFixedBytes,
  localSignature,
  type MemberHeader,
  maxCommentBytes,
  parseArchiveEnd,
  parseCentralDirectory,
} from './layout.js'
import { samplesArray, samplesMember } from './members.js'
import { type ArchiveVisitor, failMissing, passMember, takeLocalHeader, walkArchive } from './walk.js'

/** Size of the small reads that Python's buffered files make. */
const pageBytes = 4096

export class NpzReader extends ArrayFileReader {
  readonly #source: SequentialSource
  readonly #visitor: ArchiveVisitor
  /** Head of the file before: files of one data set mostly have the same one. */
  #head: Head | undefined
  /** Last bytes of the file so far, where it takes several pieces. */
  readonly #tail = new Uint8Array(endRecordsBytes)
  /** Samples of the array that was found last by {@link ArchiveVisitor.array}. */
  #samples = 0
  readonly #getInflater = inflaterOnDemand()

  constructor(port: IoPort, options: ReaderOptions) {
    super(port, options)
    this.#source = new SequentialSource(port, options.requestBytes)
    this.#visitor = {
      decode: options.verify,
      array: (name, header) => {
        if (name !== samplesMember) return
        this.#samples = checkSamples(this.#source.uri, header, options, samplesArray)
      },
    }
  }

  /** The whole file, front to back. Without `verify` this is the hot path of runs: nothing is allocated, known heads are only compared. */
  protected override *readFile(uri: string, sample: number): Io<number> {
    const { port, options } = this
    const { window } = port
    const askedBytes = options.requestBytes
    const handle = yield port.open(uri)
    try {
      let got = yield port.read(handle, 0, askedBytes)
      if (options.verify || !this.#recognise(uri, window.begin, window.end)) {
        this.#source.resume(uri, handle, askedBytes)
        yield* walkArchive(this.#source, this.#visitor, this.#getInflater)
        checkSampleIndex(uri, sample, this.#samples)
        return this.#source.position
      }
      const head = this.#head!
      checkSampleIndex(uri, sample, head.samples)
      let fileBytes = got
      let ended = got < askedBytes && this.#endsHere(fileBytes, got, head)
      while (!ended) {
        this.#keepTail(got)
        got = yield port.read(handle, fileBytes, askedBytes)
        fileBytes += got
        if (got === 0) yield* this.#checkEnd(uri, handle, fileBytes, head)
        ended = got === 0 || (got < askedBytes && this.#endsHere(fileBytes, got, head))
      }
      return fileBytes
    } finally {
      yield port.close(handle)
    }
  }

  /** Takes up the head in window bytes [begin, end): the one before or a new one; false where it is not of the usual form. */
  #recognise(uri: string, begin: number, end: number): boolean {
    this.#head = recogniseHead(uri, this.port.window, begin, end, this.#head, this.options)
    return this.#head !== undefined
  }

  /** Whether the last `got` bytes, in the window, end with an end record that fits a file of `fileBytes` bytes. */
  #endsHere(fileBytes: number, got: number, head: Head): boolean {
    if (got < endBytes) return false
    const { view, end } = this.port.window
    const at = end - endBytes
    // Signature, no disks, no comment, and a central directory that begins behind member x and ends here.
    if (view.getUint32(at) !== 0x504b0506 || view.getUint32(at + 4) !== 0 || view.getUint16(at + 20) !== 0) return false
    const directoryOffset = view.getUint32(at + 16, true)
    return directoryOffset >= head.memberEnd && directoryOffset + view.getUint32(at + 12, true) + endBytes === fileBytes
  }

  #keepTail(got: number): void {
    const { bytes, end } = this.port.window
    const tail = this.#tail
    const n = Math.min(got, tail.length)
    if (n < tail.length) tail.copyWithin(0, n)
    tail.set(bytes.subarray(end - n, end), tail.length - n)
  }

  /** The same check as {@link #endsHere} with more care, once the file has ended: zip64, end records across pieces, archive comments. */
  *#checkEnd(uri: string, handle: number, fileBytes: number, head: Head): Io<void> {
    if (fileBytes < head.memberEnd + endBytes)
      throw new DataError(
        uri,
        `is truncated: it has ${fileBytes} bytes, and member ${samplesMember} alone ends at byte ${head.memberEnd}`,
        fileBytes,
      )
    const kept = Math.min(fileBytes, this.#tail.length)
    let tail: Uint8Array = this.#tail.subarray(this.#tail.length - kept)
    if (findEndRecord(tail, tail.length) < 0) {
      const { window } = this.port
      const askedBytes = Math.min(fileBytes, endRecordsBytes + maxCommentBytes, window.capacity)
      yield this.port.read(handle, fileBytes - askedBytes, askedBytes)
      tail = window.bytes.subarray(window.begin, window.end)
    }
    const end = parseArchiveEnd(uri, tail, fileBytes - tail.length)
    if (end.directoryOffset < head.memberEnd)
      throw new DataError(
        uri,
        `its central directory begins at byte ${end.directoryOffset}, within member ${samplesMember}`,
        end.directoryOffset,
      )
  }

  /** What upstream DLIO asks for through `np.load`: both ends of the archive, then member x (dlio's `NPZReader`, Python's `zipfile`). */
  protected override *readUpstream(uri: string, sample: number): Io<number> {
    const { port } = this
    if (this.isHeld(uri, sample)) return 0
    const handle = yield port.open(uri)
    try {
      const head = yield port.read(handle, 0, pageBytes)
      if (head < endBytes)
        throw new DataError(uri, head === 0 ? 'is empty: it has 0 bytes' : `is truncated: it has ${head} bytes, less than any .npz file`)
      const signature = u32(port.window.bytes, port.window.begin)
      if (signature !== localSignature) failForeign(uri, signature)
      const bytes = yield* this.#readMember(uri, handle)
      checkSampleIndex(uri, sample, this.#samples)
      this.hold(uri, this.#samples)
      return bytes
    } finally {
      yield port.close(handle)
    }
  }

  /** Finds member x by the central directory and reads it; returns its stored bytes. */
  *#readMember(uri: string, handle: number): Io<number> {
    const { port } = this
    const fileBytes = yield port.size(handle)
    const entry = yield* this.#findMember(uri, handle, fileBytes)
    // Python's buffer takes whole pages, counted from the member's header.
    const roundUp = (headerBytes: number) =>
      Math.min(fileBytes, entry.headerOffset + Math.ceil((headerBytes + entry.compressedBytes) / pageBytes) * pageBytes)
    const source = this.#source
    // NumPy's local header has 20 bytes of extra field; what others have is known once it is read.
    source.start(uri, handle, entry.headerOffset, roundUp(localFixedBytes + samplesMember.length + 20))
    const local = yield* takeLocalHeader(source, u32(yield* source.take(4, 'a member header'), 0))
    if (local.name !== samplesMember)
      throw new DataError(uri, `has member ${local.name} where its directory says ${samplesMember}`, local.headerOffset)
    source.stop = Math.max(source.stop, roundUp(local.headerBytes))
    const member = { ...entry, headerBytes: local.headerBytes }
    yield* passMember(source, member, this.#visitor, this.#getInflater)
    while (yield* source.fill()) source.begin = source.end
    return entry.compressedBytes
  }

  *#findMember(uri: string, handle: number, fileBytes: number): Io<MemberHeader> {
    const { port } = this
    const { window } = port
    // The end record alone, then with the zip64 locator before it, then with the zip64 record, or a comment, as far as needed.
    let tailBytes = yield* this.#readTail(uri, handle, fileBytes, endBytes)
    if (findEndRecord(window.bytes.subarray(window.begin, window.end), tailBytes) < 0)
      tailBytes = yield* this.#readTail(uri, handle, fileBytes, endRecordsBytes + maxCommentBytes)
    else {
      tailBytes = yield* this.#readTail(uri, handle, fileBytes, endBytes + 20)
      if (tailBytes === endBytes + 20 && u32(window.bytes, window.begin) === 0x07064b50)
        tailBytes = yield* this.#readTail(uri, handle, fileBytes, endRecordsBytes)
    }
    const end = parseArchiveEnd(uri, window.bytes.subarray(window.begin, window.end), fileBytes - tailBytes)
    if (end.directoryBytes > window.capacity)
      throw new DataError(
        uri,
        `has a central directory of ${end.directoryBytes} bytes, more than the ${window.capacity} that can be read at once`,
      )
    const askedBytes = Math.min(fileBytes - end.directoryOffset, Math.max(end.directoryBytes, Math.min(pageBytes, window.capacity)))
    const got = yield port.read(handle, end.directoryOffset, askedBytes)
    if (got < end.directoryBytes) throw new DataError(uri, 'became shorter while it was read', end.directoryOffset + got)
    const members = parseCentralDirectory(uri, window.bytes.subarray(window.begin, window.end), end)
    const found = members.filter(({ name }) => name === samplesMember)
    if (found.length > 1) throw new DataError(uri, `has two members ${samplesMember}`, end.directoryOffset)
    return (
      found[0] ??
      failMissing(
        uri,
        members.map(({ name }) => name),
      )
    )
  }

  *#readTail(uri: string, handle: number, fileBytes: number, byteLength: number): Io<number> {
    const askedBytes = Math.min(fileBytes, byteLength, this.port.window.capacity)
    const got = yield this.port.read(handle, fileBytes - askedBytes, askedBytes)
    if (got < askedBytes) throw new DataError(uri, 'became shorter while it was read', fileBytes - askedBytes + got)
    return got
  }

  /** Only the bytes of the sample where they lie side by side, otherwise (and with `verify`, for the CRC) the whole of member x. */
  protected override *readSample(uri: string, sample: number): Io<number> {
    const { port, options } = this
    const { window } = port
    const handle = yield port.open(uri)
    try {
      const one = options.samplesPerFile === 1 || options.verify
      const askedBytes = one ? options.requestBytes : Math.min(pageBytes, options.requestBytes)
      const got = yield port.read(handle, 0, askedBytes)
      if (!this.#recognise(uri, window.begin, window.end)) {
        const bytes = yield* this.#readMember(uri, handle)
        checkSampleIndex(uri, sample, this.#samples)
        return bytes
      }
      const head = this.#head!
      checkSampleIndex(uri, sample, head.samples)
      if (options.verify) {
        const source = this.#source
        source.resume(uri, handle, askedBytes)
        source.stop = head.memberEnd
        const local = yield* takeLocalHeader(source, u32(yield* source.take(4, 'a member header'), 0))
        yield* passMember(source, local, this.#visitor, this.#getInflater)
        return head.memberEnd - head.dataOffset
      }
      const { begin, end } = head.contiguous
        ? { begin: head.dataOffset + sample * head.sampleBytes, end: head.dataOffset + (sample + 1) * head.sampleBytes }
        : { begin: head.dataOffset, end: head.memberEnd }
      for (let at = Math.max(begin, got); at < end; ) {
        const n = yield port.read(handle, at, Math.min(options.requestBytes, end - at))
        if (n === 0) throw new DataError(uri, `is truncated: sample ${sample} needs its bytes [${begin}, ${end})`, at)
        at += n
      }
      return end - begin
    } finally {
      yield port.close(handle)
    }
  }
}
