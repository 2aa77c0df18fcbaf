// Reading samples for runs: the metadata that HDF5's library asks for, then the sample's own bytes; or whole files, as MLCommons' DLIO does.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import type { ReaderOptions, SampleReader } from '../types.js'
import { type ChunkIndex, openChunkIndex } from './chunk-index.js'
import { type Chunked, decodeChunk, eachChunk, findChunk } from './chunks.js'
import { numberType } from './datatype.js'
import { type Dataset, readDataset } from './layout.js'
import { Metadata, OutsidePieceError, Remembered } from './metadata.js'
import { UnsupportedLayoutError, undefinedAddress } from './span.js'
import { checkEnd, type RootDatasets, readRoot, readSuperblock, useSuperblock } from './structure.js'
import type { Superblock } from './superblock.js'

/** A file as it stands open: what was parsed of it is kept with `keepOpen` only. */
interface OpenFile {
  readonly uri: string
  readonly handle: number
  readonly metadata: Metadata
  readonly superblock: Superblock
  readonly root: RootDatasets
  readonly datasets: Dataset[]
  readonly indexes: ChunkIndex[]
}

export class Hdf5SampleReader implements SampleReader {
  private readonly requestBytes: number
  private readonly metadata: Metadata
  private readonly superblock = new Remembered<Superblock>()
  private readonly root = new Remembered<RootDatasets>()
  private readonly datasets: Remembered<Dataset>[] = []
  private readonly kept = new Map<string, OpenFile>()

  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
  ) {
    this.requestBytes = Math.min(options.requestBytes, port.window.capacity)
    this.metadata = new Metadata(port, options.verify)
  }

  *read(uri: string, sample: number): Io<number> {
    if (!Number.isInteger(sample) || sample < 0 || sample >= this.options.samplesPerFile)
      throw new DataError(uri, `sample ${sample} is asked for, a file has samples 0 to ${this.options.samplesPerFile - 1}`)
    if (this.options.extent === 'file') return yield* this.readWholeFile(uri, sample)
    try {
      return yield* this.readOneSample(uri, sample)
    } catch (error) {
      if (!(error instanceof UnsupportedLayoutError)) throw error
      throw new DataError(
        error.uri,
        `${error.detail}; only reading whole files (--semantics mlcommons) can replay this file`,
        error.byteOffset,
      )
    }
  }

  *release(uri: string): Io<void> {
    const file = this.kept.get(uri)
    if (file === undefined) return
    this.kept.delete(uri)
    yield this.port.close(file.handle)
  }

  *close(): Io<void> {
    for (const file of this.kept.values()) yield this.port.close(file.handle)
    this.kept.clear()
  }

  /** As h5py: open, metadata, one hyperslab of each records_k, close. */
  private *readOneSample(uri: string, sample: number): Io<number> {
    const kept = this.kept.get(uri)
    if (kept !== undefined) {
      kept.metadata.beginSample()
      return yield* this.readRecords(kept, sample)
    }
    const handle: number = yield this.port.open(uri)
    let bytes: number
    let isKept = false
    try {
      const fileBytes: number = yield this.port.size(handle)
      const metadata = this.options.keepOpen ? new Metadata(this.port, this.options.verify) : this.metadata
      metadata.begin(uri, handle, fileBytes)
      const file = yield* this.parse(uri, handle, metadata)
      bytes = yield* this.readRecords(file, sample)
      isKept = this.options.keepOpen
      if (isKept) this.kept.set(uri, file)
    } catch (error) {
      yield* this.closeAfterError(handle)
      throw error
    }
    if (!isKept) yield this.port.close(handle)
    return bytes
  }

  private *parse(uri: string, handle: number, metadata: Metadata): Io<OpenFile> {
    const superblock = yield* this.superblock.read(metadata, '', () => readSuperblock(metadata))
    checkEnd(uri, superblock, metadata.fileBytes)
    useSuperblock(metadata, superblock)
    const root = yield* this.root.read(metadata, `${superblock.rootAddress}@${placeKey(superblock)}`, () =>
      readRoot(metadata, superblock, false),
    )
    return { uri, handle, metadata, superblock, root, datasets: [], indexes: [] }
  }

  /** The dataset's header is read when its turn comes, as h5py does. */
  private *datasetOf(file: OpenFile, record: number): Io<Dataset> {
    const known = file.datasets[record]
    if (known !== undefined) return known
    const { metadata, superblock } = file
    const place = file.root.records[record] as RootDatasets['records'][number]
    this.datasets[record] ??= new Remembered<Dataset>()
    const dataset = yield* this.datasets[record].read(metadata, `${place.address}@${placeKey(superblock)}`, () =>
      readDataset(metadata, place.name, place.address),
    )
    this.checkDataset(file.uri, dataset)
    file.datasets[record] = dataset
    return dataset
  }

  private checkDataset(uri: string, dataset: Dataset): void {
    const { samplesPerFile, verify, elementType } = this.options
    const [samples] = dataset.dims
    const shape = `[${dataset.dims.join(', ')}]`
    if (dataset.kind !== 'simple' || samples === undefined)
      throw new DataError(uri, `dataset ${dataset.name} is a ${dataset.kind} without an axis of samples; generate the file again`)
    if (samples < samplesPerFile || (verify && samples !== samplesPerFile))
      throw new DataError(
        uri,
        `dataset ${dataset.name} of shape ${shape} holds ${samples} samples, num_samples_per_file says ${samplesPerFile}; correct the configuration or generate the data again`,
      )
    if (!verify) return
    const expected = numberType(elementType)
    const found = dataset.type.dtype
    if (expected === undefined || found === undefined || found.slice(1) !== `${expected.kind}${expected.sizeBytes}`)
      throw new DataError(
        uri,
        `dataset ${dataset.name} holds ${found ?? `a ${dataset.type.className} type of ${dataset.type.sizeBytes} bytes`}, record_element_type says ${elementType}; correct the configuration or generate the data again`,
      )
  }

  private *readRecords(file: OpenFile, sample: number): Io<number> {
    let bytes = 0
    for (let record = 0; record < file.root.records.length; record++) {
      const dataset = yield* this.datasetOf(file, record)
      const { storage } = dataset
      if (storage.kind === 'chunked') bytes += yield* this.readChunks(file, record, dataset, storage, sample)
      else if (storage.kind === 'compact') bytes += dataset.sampleBytes
      else bytes += yield* this.readHyperslab(file, dataset, storage.address, sample)
    }
    return bytes
  }

  private *readHyperslab(file: OpenFile, dataset: Dataset, address: number, sample: number): Io<number> {
    const { sampleBytes } = dataset
    if (address === undefinedAddress && sampleBytes > 0)
      throw new DataError(file.uri, `dataset ${dataset.name} has no data: nothing was ever written to it; generate the file again`)
    const begin = file.superblock.baseOffset + address + sample * sampleBytes
    yield* this.readRange(file, `sample ${sample} of ${dataset.name}`, begin, sampleBytes, undefined)
    return sampleBytes
  }

  private *readChunks(file: OpenFile, record: number, dataset: Dataset, storage: Chunked, sample: number): Io<number> {
    const { metadata, uri } = file
    const { baseOffset, chunkK } = file.superblock
    const index = file.indexes[record] ?? (yield* openChunkIndex(metadata, dataset, storage, chunkK))
    file.indexes[record] = index
    let bytes = 0
    const { readRange } = this
    const reader = this
    yield* eachChunk(uri, dataset, storage, sample, function* (place) {
      const chunk = yield* findChunk(uri, dataset, index, place, baseOffset, metadata.fileBytes)
      if (chunk === undefined) return
      const begin = baseOffset + chunk.address
      const stored = reader.options.verify ? new Uint8Array(chunk.storedBytes) : undefined
      yield* readRange.call(reader, file, `chunk [${place.join(', ')}] of ${dataset.name}`, begin, chunk.storedBytes, stored)
      if (stored !== undefined) decodeChunk(uri, dataset, storage, place, chunk, stored, begin)
      bytes += chunk.storedBytes
    })
    return bytes
  }

  /** Reads [begin, begin + byteLength) of the file in pieces; what came is copied to `into` if given. Throws DataError where the file ends before. */
  private *readRange(file: OpenFile, what: string, begin: number, byteLength: number, into: Uint8Array | undefined): Io<void> {
    const { window } = this.port
    for (let done = 0; done < byteLength; ) {
      const wanted = Math.min(this.requestBytes, byteLength - done)
      const answer: number = yield this.port.read(file.handle, begin + done, wanted)
      into?.set(window.bytes.subarray(window.begin, window.begin + answer), done)
      if (answer < wanted)
        throw new DataError(
          file.uri,
          `${what} needs bytes ${begin} to ${begin + byteLength}, the file ends at ${begin + done + answer}: it is truncated; generate or copy it again`,
          begin + done + answer,
        )
      done += answer
    }
  }

  /** As MLCommons' DLIO: the whole file from front to back, for each sample anew. */
  private *readWholeFile(uri: string, sample: number): Io<number> {
    const handle: number = yield this.port.open(uri)
    let total: number
    try {
      const { superblock, read } = yield* this.readFirstPiece(uri, handle)
      total = read
      for (let answer = read; answer === this.requestBytes; total += answer) answer = yield this.port.read(handle, total, this.requestBytes)
      checkEnd(uri, superblock, total)
      if (this.options.verify) {
        this.metadata.begin(uri, handle, total)
        const file = yield* this.parse(uri, handle, this.metadata)
        yield* this.verifyRecords(file, sample)
      }
    } catch (error) {
      yield* this.closeAfterError(handle)
      throw error
    }
    yield this.port.close(handle)
    return total
  }

  /** The superblock must be in the file's first piece or be found; headers are checked as far as they are in the piece, nothing is asked for them. */
  private *readFirstPiece(uri: string, handle: number): Io<{ superblock: Superblock; read: number }> {
    const { metadata } = this
    const read: number = yield this.port.read(handle, 0, this.requestBytes)
    metadata.begin(uri, handle, read < this.requestBytes ? read : Number.POSITIVE_INFINITY)
    metadata.hold(0)
    const superblock = yield* this.superblock.read(metadata, '', () => readSuperblock(metadata))
    checkEnd(uri, superblock, metadata.fileBytes)
    useSuperblock(metadata, superblock)
    metadata.mayRead = false
    try {
      const root = yield* this.root.read(metadata, `${superblock.rootAddress}@${placeKey(superblock)}`, () =>
        readRoot(metadata, superblock, false),
      )
      const file: OpenFile = { uri, handle, metadata, superblock, root, datasets: [], indexes: [] }
      for (let record = 0; record < root.records.length; record++) yield* this.datasetOf(file, record)
    } catch (error) {
      // Reading a file whole needs no layout: one that is unknown or lies further back is no fault.
      if (!(error instanceof OutsidePieceError) && !(error instanceof UnsupportedLayoutError)) throw error
    }
    return { superblock, read }
  }

  /** After all bytes were read: chunks once more, to undo their filters. Contiguous data has nothing that could be checked. */
  private *verifyRecords(file: OpenFile, sample: number): Io<void> {
    for (let record = 0; record < file.root.records.length; record++) {
      const dataset = yield* this.datasetOf(file, record)
      if (dataset.storage.kind === 'chunked') yield* this.readChunks(file, record, dataset, dataset.storage, sample)
      if (dataset.storage.kind !== 'contiguous') continue
      const end = file.superblock.baseOffset + dataset.storage.address + (sample + 1) * dataset.sampleBytes
      if (dataset.storage.address === undefinedAddress || end > file.metadata.fileBytes)
        throw new DataError(
          file.uri,
          `sample ${sample} of ${dataset.name} would end at byte ${end}, the file at ${file.metadata.fileBytes}`,
        )
    }
  }

  /** Closes a file that failed; the first error is the one to tell, so an error of closing is left aside. */
  private *closeAfterError(handle: number): Io<void> {
    try {
      yield this.port.close(handle)
    } catch {}
  }
}

/** What, beside its address, decides how a header is read. */
function placeKey({ baseOffset, offsetBytes, lengthBytes, groupLeafK, groupInternalK }: Superblock): string {
  return `${baseOffset}/${offsetBytes}/${lengthBytes}/${groupLeafK}/${groupInternalK}`
}
