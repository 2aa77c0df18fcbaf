// Saving one state in the file format of the mechanism that DLIO would use.

import { basename, dirname } from 'node:path'
import { crc32 } from '../formats/checksums.js'
import type { StateFormat } from './formats.js'
import type { PieceWriter } from './piece-writer.js'
import type { CheckpointPlace } from './place.js'
import { bundleIndex, bundleNames, bundleTail, checkpointList } from './tensorflow.js'
import { archiveEnd, memberHeader, memberTrailer, torchArchive } from './torch-zip.js'
import { type State, stateBytes, tensorsOf } from './types.js'

export interface WriteOptions {
  readonly place: CheckpointPlace
  readonly format: StateFormat
  readonly direct: boolean
  readonly fsync: boolean
  /** TensorFlow: all ranks would write the same file; one does. */
  readonly writesList: boolean
  /** Sees raw content as it is written. */
  readonly look?: ((part: Uint8Array) => void) | undefined
}

/**
 * Writes a state to `path` (for TensorFlow: to the files that begin with it), which appears when it is complete. Errors: StorageError; Stopped
 * where the run was stopped.
 */
export async function writeState(path: string, state: State, writer: PieceWriter, options: WriteOptions): Promise<void> {
  if (options.format === 'tensorflow') await writeBundle(path, state, writer, options)
  else if (options.format === 'torch') await writeFile(path, writer, options, () => writeTorch(state, writer))
  else await writeFile(path, writer, options, () => writer.fill('uint8', stateBytes(state), undefined, options.look))
}

async function writeFile(path: string, writer: PieceWriter, options: WriteOptions, write: () => Promise<unknown>): Promise<void> {
  writer.begin(options.place.target(path, options))
  try {
    await write()
    await writer.end()
  } catch (error) {
    await writer.discard()
    throw error
  }
}

/** Data, index, and the list that names the latest save: readers look at them the other way round. */
async function writeBundle(path: string, state: State, writer: PieceWriter, options: WriteOptions): Promise<void> {
  const bytes = stateBytes(state)
  const prefix = basename(path)
  const names = bundleNames(prefix)
  const file = (name: string, write: () => Promise<unknown>) => writeFile(`${dirname(path)}/${name}`, writer, options, write)
  let crc = 0
  await file(names.data, async () => {
    crc = await writer.fill('int8', bytes, 'crc32c')
    await writer.append(bundleTail())
  })
  await file(names.index, () => writer.append(bundleIndex(bytes, crc)))
  if (options.writesList) await file(names.list, () => writer.append(checkpointList(prefix)))
}

async function writeTorch(state: State, writer: PieceWriter): Promise<void> {
  const archive = torchArchive(state, randomDigits(40))
  const tensors = tensorsOf(state)
  const crcs: number[] = []
  for (const member of archive.members) {
    await writer.append(memberHeader(member))
    let crc = 0
    if (member.content !== undefined) {
      crc = crc32(member.content)
      await writer.append(member.content)
    } else crc = await writer.fill(tensors[member.tensorIndex!]!.type, member.byteLength, 'crc32')
    crcs.push(crc)
    await writer.append(memberTrailer(member, crc))
  }
  await writer.append(archiveEnd(archive, crcs))
}

function randomDigits(count: number): string {
  return Array.from({ length: count }, () => Math.floor(10 * Math.random())).join('')
}
