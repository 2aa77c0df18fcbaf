// Writing the files of DLIO's hdf5 generator: metadata first, then data, front to back, in HDF5's latest format.
import { deflateSync } from 'node:zlib'
import type { ContentSource, FileSpec, FormatWriter, OutputFile } from '../types.js'
import { type DatasetPlan, planDatasets } from './dataset-plan.js'
import * as encode from './encode.js'
import { Encoder } from './encoder.js'
import { FilterId } from './filters.js'
import { type ChunkTable, createChunkTable, fixedArrayBytes, pageBits, putFixedArray } from './fixed-array.js'
import { compressLzf } from './lzf.js'

/** HDF5 allots metadata in blocks of this size, so the data of DLIO's files begins at byte 2048. */
const metadataBlockBytes = 2048
const labelBytes = 8
/** Up to this size the datasets of one file hold the same data, as DLIO's do; beyond, each gets its own, to bound memory. */
const mostRepeatedBytes = 2 ** 28

/** Where everything is in the file; all of it follows from the plan. */
interface FileLayout {
  readonly plan: DatasetPlan
  readonly links: readonly encode.LinkTarget[]
  /** Whole dataset in one chunk, found without an index. */
  readonly isSingleChunk: boolean
  readonly chunkBytes: number
  /** Chunks that the index can name (by the maximal shape), along each axis. */
  readonly chunkCounts: readonly number[]
  /** Address of each dataset's index. */
  readonly indexAddresses: readonly number[]
  readonly dataAddress: number
}

const labelsType = { kind: 'i', sizeBytes: labelBytes } as const

function layoutFile(plan: DatasetPlan): FileLayout {
  const names = [...Array.from({ length: plan.datasets }, (_, i) => `records_${i}`), 'labels']
  const chunkDims = plan.chunkDims ?? []
  const chunkBytes = chunkDims.reduce((bytes, dim) => bytes * dim, plan.type.sizeBytes)
  const chunkCounts = chunkDims.map((dim, axis) => Math.ceil((plan.maxShape[axis] as number) / dim))
  const isSingleChunk = chunkDims.length > 0 && chunkDims.every((dim, axis) => dim === plan.shape[axis] && dim === plan.maxShape[axis])
  const draft: FileLayout = {
    plan,
    links: names.map((name) => ({ name, address: 0 })),
    isSingleChunk,
    chunkBytes,
    chunkCounts,
    indexAddresses: names.map(() => 0),
    dataAddress: 0,
  }
  // Addresses do not change the size of what holds them.
  let address = encode.superblockBytes + encode.rootHeaderBytes(draft.links)
  const links = names.map((name, i) => {
    const begin = address
    address += encode.datasetHeaderBytes(i < plan.datasets ? recordsHeader(draft, i, 0, undefined) : labelsHeader(draft, 0))
    return { name, address: begin }
  })
  const hasIndex = plan.chunkDims !== undefined && !isSingleChunk
  const indexAddresses = Array.from({ length: plan.datasets }, () => {
    const begin = address
    if (hasIndex) address += fixedArrayBytes(product(chunkCounts), chunkBytes, plan.filter !== undefined)
    return begin
  })
  const dataAddress = Math.ceil(address / metadataBlockBytes) * metadataBlockBytes
  return { ...draft, links, indexAddresses, dataAddress }
}

const product = (numbers: readonly number[]) => numbers.reduce((result, number) => result * number, 1)

/** The header of one dataset of samples: contiguous at `address`, or with chunks as `table` has them. */
function recordsHeader(layout: FileLayout, dataset: number, address: number, table: ChunkTable | undefined): encode.HeaderContent {
  const { plan } = layout
  const layoutMessage =
    plan.chunkDims === undefined
      ? encode.contiguousLayout(address, plan.payloadBytes)
      : layout.isSingleChunk
        ? encode.singleChunkLayout(plan, table?.addresses[0] ?? 0, table?.storedBytes[0] ?? 0, table?.filterMasks[0] ?? 0)
        : encode.fixedArrayLayout(plan, pageBits, layout.indexAddresses[dataset] as number)
  return {
    dims: plan.shape,
    maxDims: plan.maxShape,
    type: plan.type,
    filterMessage: encode.filterMessage(plan, layout.chunkBytes),
    layoutMessage,
    isChunked: plan.chunkDims !== undefined,
  }
}

function labelsHeader({ plan }: FileLayout, address: number): encode.HeaderContent {
  return {
    dims: [plan.samples],
    maxDims: [plan.samples],
    type: labelsType,
    filterMessage: undefined,
    layoutMessage: encode.contiguousLayout(address, plan.samples * labelBytes),
    isChunked: false,
  }
}

/** All metadata, bytes 0 to `dataAddress`. */
function encodeMetadata(layout: FileLayout, labelsAddress: number, tables: readonly ChunkTable[]): Uint8Array {
  const { plan, links } = layout
  const encoder = new Encoder(layout.dataAddress)
  encode.putSuperblock(encoder, labelsAddress + plan.samples * labelBytes)
  encode.putRootHeader(encoder, links, Math.floor(Date.now() / 1000))
  links.forEach(({ address }, i) => {
    encoder.at(address)
    if (i === plan.datasets) encode.putDatasetHeader(encoder, labelsHeader(layout, labelsAddress))
    else encode.putDatasetHeader(encoder, recordsHeader(layout, i, layout.dataAddress + i * plan.payloadBytes, tables[i]))
  })
  if (!layout.isSingleChunk)
    tables.forEach((table, i) => {
      putFixedArray(encoder.at(layout.indexAddresses[i] as number), table, layout.chunkBytes, plan.filter !== undefined)
    })
  return encoder.bytes
}

function writeContiguous(layout: FileLayout, content: ContentSource, out: OutputFile): void {
  const { plan } = layout
  out.append(encodeMetadata(layout, layout.dataAddress + plan.datasets * plan.payloadBytes, []))
  if (plan.datasets > 1 && plan.payloadBytes <= mostRepeatedBytes) {
    const data = new Uint8Array(plan.payloadBytes)
    fillFrom(content, data)
    for (let i = 0; i < plan.datasets; i++) out.append(data)
  } else {
    for (let left = plan.datasets * plan.payloadBytes; left > 0; ) {
      const bytes = content.next(left)
      out.append(bytes)
      left -= bytes.byteLength
    }
  }
}

function fillFrom(content: ContentSource, into: Uint8Array): void {
  for (let done = 0; done < into.byteLength; ) {
    const bytes = content.next(into.byteLength - done)
    into.set(bytes, done)
    done += bytes.byteLength
  }
}

function writeChunked(layout: FileLayout, content: ContentSource, out: OutputFile): void {
  const { plan, chunkCounts } = layout
  // Where chunks lie and how long they are is known once they are written.
  out.append(new Uint8Array(layout.dataAddress))
  const tables = Array.from({ length: plan.datasets }, () => createChunkTable(product(chunkCounts)))
  const chunkDims = plan.chunkDims as readonly number[]
  const chunk = new Uint8Array(layout.chunkBytes)
  const place = chunkDims.map(() => 0)
  for (let number = 0; number < product(chunkCounts); number++) {
    // Chunks between the shape and the maximal shape hold no elements and are not stored.
    if (place.every((p, axis) => p * (chunkDims[axis] as number) < (plan.shape[axis] as number))) {
      fillFrom(content, chunk)
      clearOutside(chunk, plan, place)
      const { stored, filterMask } = applyFilter(chunk, plan)
      for (const table of tables) {
        table.addresses[number] = out.byteLength
        table.storedBytes[number] = stored.byteLength
        table.filterMasks[number] = filterMask
        out.append(stored)
      }
    }
    for (let axis = place.length - 1; axis >= 0; axis--) {
      place[axis] = (place[axis] as number) + 1
      if ((place[axis] as number) < (chunkCounts[axis] as number)) break
      place[axis] = 0
    }
  }
  out.patch(0, encodeMetadata(layout, out.byteLength, tables))
}

function applyFilter(chunk: Uint8Array, { filter }: DatasetPlan): { stored: Uint8Array; filterMask: number } {
  if (filter === undefined) return { stored: chunk, filterMask: 0 }
  if (filter.id === FilterId.deflate) return { stored: deflateSync(chunk, { level: filter.level }), filterMask: 0 }
  const compressed = compressLzf(chunk)
  return compressed === undefined ? { stored: chunk, filterMask: 1 } : { stored: compressed, filterMask: 0 }
}

/** Zeros, the fill value, for the part of an edge chunk that lies outside the dataset. */
function clearOutside(chunk: Uint8Array, plan: DatasetPlan, place: readonly number[]): void {
  const chunkDims = plan.chunkDims as readonly number[]
  const inside = chunkDims.map((dim, axis) => Math.min(dim, (plan.shape[axis] as number) - (place[axis] as number) * dim))
  if (inside.every((count, axis) => count === chunkDims[axis])) return
  const last = chunkDims.length - 1
  const rowBytes = (chunkDims[last] as number) * plan.type.sizeBytes
  const keptBytes = (inside[last] as number) * plan.type.sizeBytes
  const offset = chunkDims.map(() => 0)
  for (let begin = 0; begin < chunk.byteLength; begin += rowBytes) {
    const isInside = offset.every((at, axis) => axis === last || at < (inside[axis] as number))
    chunk.fill(0, begin + (isInside ? keptBytes : 0), begin + rowBytes)
    for (let axis = last - 1; axis >= 0; axis--) {
      offset[axis] = (offset[axis] as number) + 1
      if ((offset[axis] as number) < (chunkDims[axis] as number)) break
      offset[axis] = 0
    }
  }
}

export const hdf5Writer: FormatWriter = {
  write(spec: FileSpec, content: ContentSource, out: OutputFile): void {
    const layout = layoutFile(planDatasets(spec))
    if (layout.plan.chunkDims === undefined) writeContiguous(layout, content, out)
    else writeChunked(layout, content, out)
    // Labels are zeros, as DLIO's are.
    out.append(new Uint8Array(layout.plan.samples * labelBytes))
  },

  sizeBytes(spec: FileSpec): number | undefined {
    const { plan, dataAddress, chunkBytes } = layoutFile(planDatasets(spec))
    if (plan.filter !== undefined) return undefined
    const chunkDims = plan.chunkDims
    const chunks = chunkDims === undefined ? 0 : product(plan.shape.map((dim, axis) => Math.ceil(dim / (chunkDims[axis] as number))))
    const dataBytes = chunkDims === undefined ? plan.payloadBytes : chunks * chunkBytes
    return dataAddress + plan.datasets * dataBytes + plan.samples * labelBytes
  },
}
