// Whole compressed files in memory, to bytes: what pandas understands under `compression`. For `inspect`, so clear and bounded rather than fast.
import { gunzipSync, inflateRawSync } from 'node:zlib'
import { DataError } from '../../errors.js'
import { crc32 } from '../checksums.js'
import { localHeaderBytes, parseArchiveEnd, parseCentralDirectory, stored } from '../npz/layout.js'
import { bunzip2 } from './bzip2.js'
import { unxz } from './xz.js'

/** Most bytes that a file may decompress to. */
const maxDecompressedBytes = 2 ** 28

/** @throws DataError for damaged data, and where more comes out than {@link maxDecompressedBytes} */
export function decompress(uri: string, compression: 'gzip' | 'zip' | 'bz2' | 'xz', bytes: Uint8Array): Uint8Array {
  switch (compression) {
    case 'gzip':
      return inflate(uri, () => gunzipSync(bytes, { maxOutputLength: maxDecompressedBytes }))
    case 'zip':
      return unzip(uri, bytes)
    case 'bz2':
      return bunzip2(uri, bytes, maxDecompressedBytes)
    case 'xz':
      return unxz(uri, bytes, maxDecompressedBytes)
  }
}

function inflate(uri: string, run: () => Uint8Array): Uint8Array {
  try {
    return run()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ERR_BUFFER_TOO_LARGE' ? `more than ${maxDecompressedBytes} bytes come out` : message
    throw new DataError(uri, `cannot be decompressed: ${why}`)
  }
}

/** The only member of an archive, as pandas demands. */
function unzip(uri: string, bytes: Uint8Array): Uint8Array {
  const end = parseArchiveEnd(uri, bytes, 0)
  const members = parseCentralDirectory(uri, bytes.subarray(end.directoryOffset, end.recordsOffset), end)
  const [member] = members
  if (member === undefined || members.length > 1)
    throw new DataError(uri, `is a zip archive of ${members.length} members; pandas reads one`)
  const begin = member.headerOffset + localHeaderBytes(bytes, member.headerOffset)
  const data = bytes.subarray(begin, begin + member.compressedBytes)
  const content = member.method === stored ? data : inflate(uri, () => inflateRawSync(data, { maxOutputLength: maxDecompressedBytes }))
  if (content.length !== member.uncompressedBytes || crc32(content) !== member.crc32)
    throw new DataError(uri, `member ${member.name} does not have the size or the CRC-32 that its archive says`)
  return content
}
