// The values of samples of HDF5 files: contiguous datasets straight to where the caller wants them, everything else decoded.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import type { ArrayLayout, DecoderOptions, SampleDecoder, SampleTarget } from '../decoder.js'
import { PlacedReads } from '../placed-read.js'
import { Elements } from './elements.js'
import { type Dataset, readDataset } from './layout.js'
import { Metadata, Remembered } from './metadata.js'
import { UnsupportedLayoutError, undefinedAddress } from './span.js'
import { checkEnd, type DatasetPlace, type RootDatasets, readRoot, readSuperblock, useSuperblock } from './structure.js'
import type { Superblock } from './superblock.js'

/** Files kept open, since the next sample is mostly of the same one. */
const mostOpenFiles = 4

interface Column {
  readonly elements: Elements
  readonly layout: ArrayLayout
  /** File offset of the first sample, where samples lie one behind the other. */
  readonly begin: number | undefined
}

interface OpenFile {
  readonly uri: string
  readonly handle: number
  readonly columns: readonly Column[]
}

export class Hdf5Decoder implements SampleDecoder {
  readonly #placed: PlacedReads
  readonly #superblock = new Remembered<Superblock>()
  readonly #root = new Remembered<RootDatasets>()
  readonly #datasets = new Map<string, Remembered<Dataset>>()
  readonly #layouts = new Map<Dataset, ArrayLayout>()
  /** The least recently used first. */
  readonly #files = new Map<string, OpenFile>()

  constructor(
    private readonly port: IoPort,
    private readonly options: DecoderOptions,
  ) {
    this.#placed = new PlacedReads(port, options)
  }

  *decode(uri: string, sample: number, target: SampleTarget): Io<void> {
    let file = this.#files.get(uri)
    if (file === undefined) file = yield* this.#open(uri)
    else this.#files.delete(uri)
    this.#files.set(uri, file)
    for (const column of file.columns) yield* this.#placeColumn(file, column, sample, target)
  }

  *close(): Io<void> {
    for (const file of this.#files.values()) yield this.port.close(file.handle)
    this.#files.clear()
  }

  *#placeColumn({ uri, handle }: OpenFile, { elements, layout, begin }: Column, sample: number, target: SampleTarget): Io<void> {
    const [samples] = elements.dataset.dims
    if (!(sample >= 0 && sample < (samples as number)))
      throw new DataError(uri, `dataset ${layout.name} has no sample ${sample}: it holds ${samples}`)
    if (begin === undefined) {
      const bytes = yield* elements.sample(sample)
      target.bytes.set(bytes, target.place(layout))
      return
    }
    const from = begin + sample * layout.sizeBytes
    const at = target.place(layout)
    const got = yield* this.#placed.read(handle, from, layout.sizeBytes, target.bytes, at)
    if (got < layout.sizeBytes)
      throw new DataError(
        uri,
        `sample ${sample} of ${layout.name} needs bytes ${from} to ${from + layout.sizeBytes}, the file ends at ${from + got}: it is truncated; generate or copy it again`,
        from + got,
      )
  }

  *#open(uri: string): Io<OpenFile> {
    if (this.#files.size >= mostOpenFiles) {
      const [oldest] = this.#files.values()
      this.#files.delete(oldest!.uri)
      yield this.port.close(oldest!.handle)
    }
    const handle: number = yield this.port.open(uri)
    try {
      return yield* this.#parse(uri, handle)
    } catch (error) {
      yield this.port.close(handle)
      if (!(error instanceof UnsupportedLayoutError)) throw error
      throw new DataError(error.uri, `${error.detail}; its values cannot be loaded`, error.byteOffset)
    }
  }

  *#parse(uri: string, handle: number): Io<OpenFile> {
    const metadata = new Metadata(this.port, this.options.verify)
    metadata.begin(uri, handle, yield this.port.size(handle))
    const superblock = yield* this.#superblock.read(metadata, '', () => readSuperblock(metadata))
    checkEnd(uri, superblock, metadata.fileBytes)
    useSuperblock(metadata, superblock)
    const { baseOffset, offsetBytes, lengthBytes, groupLeafK, groupInternalK } = superblock
    const place = `${baseOffset}/${offsetBytes}/${lengthBytes}/${groupLeafK}/${groupInternalK}`
    const root = yield* this.#root.read(metadata, `${superblock.rootAddress}@${place}`, () => readRoot(metadata, superblock, true))
    const columns: Column[] = []
    for (const record of root.records) columns.push(yield* this.#column(metadata, superblock, record, 'data', place))
    if (root.labels !== undefined) columns.push(yield* this.#column(metadata, superblock, root.labels, 'label', place))
    return { uri, handle, columns }
  }

  *#column(metadata: Metadata, superblock: Superblock, at: DatasetPlace, role: ArrayLayout['role'], place: string): Io<Column> {
    let remembered = this.#datasets.get(at.name)
    if (remembered === undefined) {
      remembered = new Remembered<Dataset>()
      this.#datasets.set(at.name, remembered)
    }
    const dataset = yield* remembered.read(metadata, `${at.address}@${place}`, () => readDataset(metadata, at.name, at.address))
    const elements = new Elements(this.port, metadata, superblock, dataset)
    const samples = dataset.dims[0] as number
    if (samples < this.options.samplesPerFile)
      throw new DataError(
        metadata.uri,
        `dataset ${dataset.name} of shape [${dataset.dims.join(', ')}] holds ${samples} samples, num_samples_per_file says ${this.options.samplesPerFile}; correct the configuration or generate the data again`,
      )
    const { storage } = dataset
    const isPlain = storage.kind === 'contiguous' && storage.address !== undefinedAddress
    return { elements, layout: this.#layoutOf(dataset, role), begin: isPlain ? superblock.baseOffset + storage.address : undefined }
  }

  /** One object for each dataset as parsed, so that equal files have the same one. */
  #layoutOf(dataset: Dataset, role: ArrayLayout['role']): ArrayLayout {
    const known = this.#layouts.get(dataset)
    if (known !== undefined) return known
    const layout: ArrayLayout = {
      role,
      name: dataset.name,
      dtype: dataset.type.dtype as string,
      shape: dataset.dims.slice(1),
      fortranOrder: false,
      sizeBytes: dataset.sampleBytes,
    }
    if (this.#layouts.size > 64) this.#layouts.clear()
    this.#layouts.set(dataset, layout)
    return layout
  }
}
