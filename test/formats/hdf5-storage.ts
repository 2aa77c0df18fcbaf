// Files in memory that count what is asked of them, for tests of the HDF5 reader and writer.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { StorageError } from '#src/errors.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile, ReaderOptions } from '#src/formats/types.js'
import type { BlockingStorage, IoRequest } from '#src/storage/types.js'

export interface Asked {
  readonly op: IoRequest['op']
  readonly byteOffset: number
  readonly byteLength: number
}

/** Holds files by URI. Throws once more requests were made than `mostRequests`, so that endless loops fail. */
export class MemoryStorage implements BlockingStorage {
  readonly asked: Asked[] = []
  readonly open = new Set<number>()
  private readonly handles: string[] = []

  constructor(
    private readonly files: Record<string, Uint8Array>,
    private readonly mostRequests = 100_000,
  ) {}

  perform(request: IoRequest): number {
    const { op, byteOffset, byteLength, window } = request
    if (this.asked.length >= this.mostRequests) throw new Error(`more than ${this.mostRequests} requests`)
    this.asked.push(op === 'read' ? { op, byteOffset, byteLength } : { op, byteOffset: 0, byteLength: 0 })
    if (op === 'open') {
      if (this.files[request.uri] === undefined) throw new StorageError(request.uri, 'open', 'no such file', 'ENOENT')
      this.handles.push(request.uri)
      this.open.add(this.handles.length - 1)
      return this.handles.length - 1
    }
    if (!this.open.has(request.handle)) throw new Error(`${op} of handle ${request.handle}, which is not open`)
    const file = this.files[this.handles[request.handle] as string] as Uint8Array
    if (op === 'close') {
      this.open.delete(request.handle)
      return 0
    }
    if (op === 'size') return file.byteLength
    if (byteLength > window.capacity) throw new Error(`a read of ${byteLength} bytes into a window of ${window.capacity}`)
    if (byteOffset < 0 || !Number.isSafeInteger(byteOffset)) throw new Error(`a read at ${byteOffset}`)
    const bytes = file.subarray(byteOffset, byteOffset + byteLength)
    // Not at the window's start: over-reads of O_DIRECT put the bytes anywhere in it.
    window.begin = 512
    window.end = 512 + bytes.byteLength
    window.bytes.set(bytes, window.begin)
    return bytes.byteLength
  }

  /** Reads as [byteOffset, byteLength], in order. */
  get reads(): [number, number][] {
    return this.asked.filter(({ op }) => op === 'read').map(({ byteOffset, byteLength }) => [byteOffset, byteLength])
  }

  get bytesAsked(): number {
    return this.reads.reduce((sum, [, byteLength]) => sum + byteLength, 0)
  }
}

/** An output file in memory. */
export class MemoryOutput implements OutputFile {
  private readonly parts: Uint8Array[] = []
  byteLength = 0
  readonly patches: number[] = []

  append(bytes: Uint8Array): void {
    this.parts.push(bytes.slice())
    this.byteLength += bytes.byteLength
  }

  patch(byteOffset: number, bytes: Uint8Array): void {
    if (byteOffset + bytes.byteLength > this.byteLength) throw new Error('a patch beyond what was appended')
    const whole = this.bytes()
    whole.set(bytes, byteOffset)
    this.patches.push(byteOffset)
    this.parts.splice(0, this.parts.length, whole)
  }

  bytes(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.parts))
  }
}

/** Content that differs from byte to byte and is the same in every test run, handed out in small reused pieces. */
export class CountingContent implements ContentSource {
  readonly preferredBytes = 104
  private readonly bytes = new Uint8Array(this.preferredBytes)
  private state = 1

  next(maxBytes: number): Uint8Array {
    const count = Math.min(maxBytes, this.preferredBytes)
    for (let i = 0; i < count; i++) {
      this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0
      this.bytes[i] = this.state >>> 24
    }
    return this.bytes.subarray(0, count)
  }
}

export function writeFile(writer: FormatWriter, spec: FileSpec): Uint8Array {
  const out = new MemoryOutput()
  writer.write(spec, new CountingContent(), out, () => {
    throw new Error('hdf5 has no files beside')
  })
  return out.bytes()
}

export const spec = (changes: Partial<Omit<FileSpec, 'hdf5'>> & { hdf5?: Partial<FileSpec['hdf5']> } = {}): FileSpec => ({
  dims: [8, 6],
  samples: 3,
  elementType: 'uint8',
  compression: '',
  compressionLevel: 4,
  ...changes,
  hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1, ...changes.hdf5 },
})

export const options = (changes: Partial<ReaderOptions> = {}): ReaderOptions => ({
  extent: 'upstream',
  requestBytes: 4096,
  verify: false,
  samplesPerFile: 1,
  elementType: 'uint8',
  keepOpen: false,
  ...changes,
})

/** One recorded file and what the reference library makes of it. */
export interface GoldenFile {
  readonly name: string
  readonly path: string
  readonly samples: readonly Record<string, { shape: number[]; dtype: string; nbytes: number; sha256: string }>[]
  readonly labels: unknown[]
  /** True if the samples' datasets are stored in one piece each. */
  readonly isContiguous: boolean
}

type Described = Omit<GoldenFile, 'isContiguous'> & { datasets: Record<string, { layout: string }> }
/** Files of hdf5-layouts.py whose datasets are chunked or compact. */
const otherLayouts = /array|btree|chunk|implicit|compact|scale/

const recorded = existsSync('../shared/golden/datasets') ? '../shared/golden/datasets' : 'test/golden/datasets'
export const layoutsFolder = 'test/golden/hdf5-layouts'

/** All recorded HDF5 files of DLIO and h5py. */
export function goldenFiles(folder = recorded): GoldenFile[] {
  return readdirSync(folder)
    .filter((id) => existsSync(join(folder, id, 'expected.json')))
    .flatMap((id) => {
      const { files } = JSON.parse(readFileSync(join(folder, id, 'expected.json'), 'utf8')) as { files: Record<string, Described> }
      return Object.entries(files)
        .filter(([name]) => name.endsWith('.hdf5'))
        .map(([name, { samples, labels, datasets }]) => ({
          name: `${id}/${name}`,
          path: join(folder, id, 'data', name),
          samples,
          labels,
          isContiguous: Object.values(datasets).every(({ layout }) => layout === '1'),
        }))
    })
}

/** Files of layouts that DLIO does not write, made by hdf5-layouts.py. */
export function layoutFiles(): GoldenFile[] {
  const files = JSON.parse(readFileSync(join(layoutsFolder, 'expected.json'), 'utf8')) as Record<string, GoldenFile>
  return Object.entries(files).map(([name, { samples, labels }]) => ({
    name,
    path: join(layoutsFolder, name),
    samples,
    labels,
    isContiguous: !otherLayouts.test(name),
  }))
}
