// One object as a file, for looking into it.
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { StorageError } from '../../errors.js'
import { type ObjectLocation, objectUri } from '../uri.js'
import { connect, resolveTarget } from './connect.js'

/** Bytes of one request, and so of memory. */
const pieceBytes = 32 * 2 ** 20

/** Calls `look` with the path of a temporary copy of an object, under its own name. Throws StorageError, ConfigError, and what `look` throws. */
export async function withFetchedObject<T>(location: ObjectLocation, look: (path: string) => Promise<T>): Promise<T> {
  const storage = await connect(resolveTarget(location, {}))
  const { prefix: key } = storage.place
  const uri = objectUri(storage.place, key)
  const folder = mkdtempSync(join(tmpdir(), 'dl-driver-inspect-'))
  try {
    const found = key === '' ? undefined : await storage.head(key)
    if (found === undefined) throw new StorageError(uri, 'inspect', `there is no such object; endpoint ${storage.endpoint}`, 'ENOENT')
    const path = join(folder, basename(key))
    const handle = openSync(path, 'wx')
    try {
      for (let begin = 0; begin < found.sizeBytes; begin += pieceBytes) {
        const end = Math.min(begin + pieceBytes, found.sizeBytes)
        const bytes = await storage.get(key, { begin, end })
        if (bytes.length !== end - begin)
          throw new StorageError(uri, 'inspect', `${bytes.length} bytes came where ${end - begin} were asked for, from byte ${begin} on`)
        for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done)
      }
    } finally {
      closeSync(handle)
    }
    return await look(path)
  } finally {
    storage.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
