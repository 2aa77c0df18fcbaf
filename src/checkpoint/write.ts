// Saving one state in the file format of the mechanism that DLIO would use.
import { crc32 } from '../formats/checksums.js'
import type { StateFormat } from './formats.js'
import { LocalTarget } from './local-target.js'
import type { PieceWriter } from './piece-writer.js'
import { archiveEnd, memberHeader, memberTrailer, torchArchive } from './torch-zip.js'
import { type State, stateBytes, tensorsOf } from './types.js'

export interface WriteOptions {
  readonly format: StateFormat
  readonly direct: boolean
  readonly fsync: boolean
  /** Sees raw content as it is written. */
  readonly look?: ((part: Uint8Array) => void) | undefined
}

/** Writes a state to `path`, which appears when it is complete. Errors: StorageError; Stopped where the run was stopped. */
export async function writeState(path: string, state: State, writer: PieceWriter, options: WriteOptions): Promise<void> {
  writer.begin(new LocalTarget(path, options))
  try {
    if (options.format === 'torch') await writeTorch(state, writer)
    else await writer.fill('uint8', stateBytes(state), options.look)
    await writer.end()
  } catch (error) {
    await writer.discard()
    throw error
  }
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
    } else
      await writer.fill(tensors[member.tensorIndex!]!.type, member.byteLength, (part) => {
        crc = crc32(part, crc)
      })
    crcs.push(crc)
    await writer.append(memberTrailer(member, crc))
  }
  await writer.append(archiveEnd(archive, crcs))
}

function randomDigits(count: number): string {
  return Array.from({ length: count }, () => Math.floor(10 * Math.random())).join('')
}
