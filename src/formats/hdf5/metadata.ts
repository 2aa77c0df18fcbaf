// Fetches stretches of metadata of one open file, and remembers what was parsed from them: the files of a dataset share their layout.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { type FieldWidths, Span, UnsupportedLayoutError, undefinedAddress } from './span.js'

/** Most metadata bytes fetched for one sample: a bound for hostile files, far above what real ones need. */
const budgetBytes = 64 * 2 ** 20
/** Nodes of chunk indexes kept in memory while a file stays open, as HDF5's own metadata cache does. */
const keptNodeBytes = 16 * 2 ** 20

/** Thrown where metadata lies outside the bytes at hand and must not be asked of the storage. */
export class OutsidePieceError extends Error {}

interface Fetch {
  readonly fileOffset: number
  /** As wanted, before it was cut at the end of the file. */
  readonly byteLength: number
  readonly span: Span
}

export class Metadata {
  uri = ''
  handle = -1
  /** Length of the file; infinite while it is not known. */
  fileBytes = Number.POSITIVE_INFINITY
  /** Absolute position to which addresses are relative. */
  baseOffset = 0
  widths: FieldWidths = { offsetBytes: 8, lengthBytes: 8 }
  /** Whether bytes may be asked of the storage beyond the piece at hand. */
  mayRead = true
  /** File range [begin, end) that lies in the window, beginning at `at` there; empty when nothing does. */
  private piece = { begin: 0, end: 0, at: 0 }
  private fetchedBytes = 0
  private fetches: Fetch[] | undefined
  private replay: Fetch[] = []
  private readonly nodes = new Map<number, Span>()
  private nodeBytes = 0
  private readonly windowBuffer: Buffer

  constructor(
    private readonly port: IoPort,
    /** Check the checksums of everything that is parsed. */
    readonly verify: boolean,
  ) {
    const { buffer, byteOffset, byteLength } = port.window.bytes
    this.windowBuffer = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
  }

  /** Starts with a newly opened file. */
  begin(uri: string, handle: number, fileBytes: number, mayRead = true): void {
    this.uri = uri
    this.handle = handle
    this.fileBytes = fileBytes
    this.mayRead = mayRead
    this.baseOffset = 0
    this.replay = []
    this.fetches = undefined
    this.nodes.clear()
    this.nodeBytes = 0
    this.beginSample()
  }

  /** Starts with another sample: budgets count per sample. */
  beginSample(): void {
    this.fetchedBytes = 0
    this.piece.end = this.piece.begin
    if (this.nodeBytes > keptNodeBytes) {
      this.nodes.clear()
      this.nodeBytes = 0
    }
  }

  /** Declares that the window holds the file's bytes from `fileOffset` on. */
  hold(fileOffset: number): void {
    const { begin, end } = this.port.window
    this.piece = { begin: fileOffset, end: fileOffset + (end - begin), at: begin }
  }

  /**
   * Fetches `byteLength` bytes at `address` into memory of their own; fewer, but not less than `atLeast`, where the file ends.
   * Throws DataError where the file is too short, UnsupportedLayoutError beyond the budget.
   */
  *fetch(address: number, byteLength: number, what: string, atLeast = byteLength): Io<Span> {
    const fileOffset = this.baseOffset + address
    if (address === undefinedAddress) throw new DataError(this.uri, `HDF5 ${what}: has no address`)
    if (!Number.isSafeInteger(fileOffset + byteLength)) throw this.error(`${what} lies at an impossible address`, address)
    if (fileOffset + atLeast > this.fileBytes)
      throw new DataError(
        this.uri,
        `HDF5 ${what}: ${atLeast} bytes are expected here, but the file has only ${this.fileBytes} bytes; it is damaged: generate or copy it again`,
        fileOffset,
      )
    const wanted = Math.min(byteLength, this.fileBytes - fileOffset)
    this.fetchedBytes += wanted
    if (this.fetchedBytes > budgetBytes)
      throw new UnsupportedLayoutError(this.uri, `HDF5 ${what}: more than ${budgetBytes} bytes of metadata for one sample`, fileOffset)
    const known = this.replay.find((fetch) => fetch.fileOffset === fileOffset && fetch.span.length === wanted)
    const bytes = known === undefined ? yield* this.copy(fileOffset, wanted, what) : known.span.bytes
    if (bytes.byteLength < atLeast)
      throw new DataError(
        this.uri,
        `HDF5 ${what}: ${atLeast} bytes are expected here, ${bytes.byteLength} came: the file is truncated; generate or copy it again`,
        fileOffset,
      )
    const span = new Span(this.uri, bytes, fileOffset, this.widths, what)
    this.fetches?.push({ fileOffset, byteLength, span })
    return span
  }

  /**
   * Like {@link fetch}, kept in memory until the file is closed: for nodes of indexes, through which many searches go.
   * `check` sees the bytes when they are new.
   */
  *node(address: number, byteLength: number, what: string, check?: (span: Span) => void, atLeast = byteLength): Io<Span> {
    const kept = this.nodes.get(address)
    if (kept !== undefined && kept.what === what && kept.length >= atLeast) return kept.rewind(0)
    const span = yield* this.fetch(address, byteLength, what, atLeast)
    check?.(span)
    this.nodes.set(address, span)
    this.nodeBytes += span.length
    return span.rewind(0)
  }

  /** Asks for bytes again as an earlier parse did; true if they are the same (apart from what was ignored). On false the bytes seen serve the next parse. */
  *isUnchanged(fetches: readonly Fetch[]): Io<boolean> {
    this.replay = []
    for (const fetch of fetches) {
      const { span, fileOffset } = fetch
      const wanted = Math.min(fetch.byteLength, this.fileBytes - fileOffset)
      const at = wanted === span.length ? yield* this.bring(fileOffset, wanted) : -1
      if (at < 0) return false
      if (this.port.window.end - this.port.window.begin !== wanted && !this.inPiece(fileOffset, wanted)) return false
      if (!this.same(span, at)) {
        const bytes = this.port.window.bytes.slice(at, at + wanted)
        this.replay.push({ ...fetch, span: new Span(this.uri, bytes, fileOffset, this.widths, span.what) })
        return false
      }
      this.replay.push(fetch)
    }
    this.replay = []
    return true
  }

  /** A DataError about what lies at `address`. */
  error(detail: string, address: number): DataError {
    return new DataError(this.uri, `HDF5: ${detail}`, this.baseOffset + address)
  }

  startRecording(): void {
    this.fetches = []
  }

  stopRecording(): readonly Fetch[] {
    const recorded = this.fetches ?? []
    this.fetches = undefined
    this.replay = []
    return recorded
  }

  private inPiece(fileOffset: number, byteLength: number): boolean {
    return fileOffset >= this.piece.begin && fileOffset + byteLength <= this.piece.end
  }

  /** Brings bytes into the window and returns their place there, −1 where they are out of reach. */
  private *bring(fileOffset: number, byteLength: number): Io<number> {
    if (this.inPiece(fileOffset, byteLength)) return this.piece.at + (fileOffset - this.piece.begin)
    if (!this.mayRead || byteLength <= 0 || byteLength > this.port.window.capacity) return -1
    this.piece.end = this.piece.begin
    yield this.port.read(this.handle, fileOffset, byteLength)
    return this.port.window.begin
  }

  private same(span: Span, at: number): boolean {
    const known = span.bytes
    let from = 0
    for (const range of span.ignored) {
      if (range.begin > from && this.windowBuffer.compare(known, from, range.begin, at + from, at + range.begin) !== 0) return false
      from = range.end
    }
    return from >= known.byteLength || this.windowBuffer.compare(known, from, known.byteLength, at + from, at + known.byteLength) === 0
  }

  private *copy(fileOffset: number, byteLength: number, what: string): Io<Uint8Array> {
    const { window } = this.port
    if (this.inPiece(fileOffset, byteLength)) {
      const at = this.piece.at + (fileOffset - this.piece.begin)
      return window.bytes.slice(at, at + byteLength)
    }
    if (!this.mayRead) throw new OutsidePieceError(what)
    this.piece.end = this.piece.begin
    if (byteLength <= window.capacity) {
      yield this.port.read(this.handle, fileOffset, byteLength)
      return window.bytes.slice(window.begin, window.end)
    }
    const bytes = new Uint8Array(byteLength)
    for (let done = 0; done < byteLength; ) {
      const answer: number = yield this.port.read(this.handle, fileOffset + done, Math.min(window.capacity, byteLength - done))
      if (answer === 0) return bytes.subarray(0, done)
      bytes.set(window.bytes.subarray(window.begin, window.end), done)
      done += answer
    }
    return bytes
  }
}

/**
 * A parsed value together with the bytes it came from. When the next file has the same bytes in the same places the value serves again:
 * the same requests are made of the storage, only parsing them again is saved.
 */
export class Remembered<T> {
  private key: string | undefined
  private fetches: readonly Fetch[] = []
  private value: T | undefined;

  /** The value of `parse` for the file at hand; `key` says what is parsed and where. */
  *read(metadata: Metadata, key: string, parse: () => Io<T>): Io<T> {
    // With verify everything is parsed, since checksums are what is asked for.
    if (this.value !== undefined && this.key === key && !metadata.verify && (yield* metadata.isUnchanged(this.fetches))) return this.value
    this.value = undefined
    metadata.startRecording()
    try {
      this.value = yield* parse()
    } finally {
      this.fetches = metadata.stopRecording()
    }
    this.key = key
    return this.value
  }
}
