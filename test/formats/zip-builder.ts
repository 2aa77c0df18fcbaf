// Builds zip archives for tests: the forms that other programs write, and wrong ones.
import { crc32, deflateRawSync } from 'node:zlib'
import { elementTypeByName } from '#src/formats/dtype.js'
import { encodeNpyHeader } from '#src/formats/npy/layout.js'

export interface ZipMember {
  name: string
  data: Uint8Array
  method?: 0 | 8
  /** Sizes and CRC in a data descriptor behind the data, as when writing to a pipe. */
  descriptor?: boolean
  /** Wrong values for the headers. */
  says?: { crc32?: number; compressedBytes?: number; uncompressedBytes?: number; method?: number; flags?: number }
  extra?: Uint8Array
  /** Bytes behind the data that the headers count as compressed data. */
  behind?: Uint8Array
}

/** An .npy file. */
export function npyFile(elementType: string, shape: readonly number[], data: Uint8Array): Uint8Array {
  return Buffer.concat([encodeNpyHeader(elementTypeByName(elementType)!, shape), data])
}

/** An .npy file whose header text is given. */
export function npyFileOf(text: string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const header = Buffer.alloc(10 + text.length)
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 255, text.length >> 8])
  header.write(text, 10, 'latin1')
  return Buffer.concat([header, data])
}

export function zipFile(members: readonly ZipMember[], comment = ''): Uint8Array {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  const put = (...buffers: Buffer[]) => {
    for (const buffer of buffers) {
      parts.push(buffer)
      offset += buffer.length
    }
  }
  for (const { name, data, method = 0, descriptor = false, says = {}, extra = new Uint8Array(0), behind = new Uint8Array(0) } of members) {
    const stored = Buffer.concat([method === 8 ? deflateRawSync(data) : data, behind])
    const crc = says.crc32 ?? crc32(data)
    const compressedBytes = says.compressedBytes ?? stored.length
    const uncompressedBytes = says.uncompressedBytes ?? data.length
    const flags = says.flags ?? (descriptor ? 8 : 0)
    const headerOffset = offset
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(20, 4)
    local.writeUInt16LE(flags, 6)
    local.writeUInt16LE(says.method ?? method, 8)
    if (!descriptor) {
      local.writeUInt32LE(crc, 14)
      local.writeUInt32LE(compressedBytes, 18)
      local.writeUInt32LE(uncompressedBytes, 22)
    }
    local.writeUInt16LE(name.length, 26)
    local.writeUInt16LE(extra.length, 28)
    put(local, Buffer.from(name), Buffer.from(extra), stored)
    if (descriptor) {
      const after = Buffer.alloc(16)
      after.writeUInt32LE(0x08074b50, 0)
      after.writeUInt32LE(crc, 4)
      after.writeUInt32LE(compressedBytes, 8)
      after.writeUInt32LE(uncompressedBytes, 12)
      put(after)
    }
    const central = Buffer.alloc(46)
    central.writeUInt32LE(0x02014b50, 0)
    central.writeUInt16LE(flags, 8)
    central.writeUInt16LE(says.method ?? method, 10)
    central.writeUInt32LE(crc, 16)
    central.writeUInt32LE(compressedBytes, 20)
    central.writeUInt32LE(uncompressedBytes, 24)
    central.writeUInt16LE(name.length, 28)
    central.writeUInt32LE(headerOffset, 42)
    directory.push(central, Buffer.from(name))
  }
  const directoryOffset = offset
  put(...directory)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(members.length, 8)
  end.writeUInt16LE(members.length, 10)
  end.writeUInt32LE(offset - directoryOffset, 12)
  end.writeUInt32LE(directoryOffset, 16)
  end.writeUInt16LE(comment.length, 20)
  put(end, Buffer.from(comment))
  return Buffer.concat(parts)
}
