// Writing much text to standard output: as fast as the other side reads, in constant memory.
import { once } from 'node:events'

/** Few writes of this size instead of many small ones. */
const chunkLength = 65_536

/** Writes all pieces in turn. Returns early when the other side goes away (`| head`), which is no error; throws any other write error. */
export async function writeLines(out: NodeJS.WritableStream, pieces: Iterable<string>): Promise<void> {
  let failure: NodeJS.ErrnoException | undefined
  const fail = (error: NodeJS.ErrnoException) => {
    failure = error
  }
  out.on('error', fail)
  try {
    let chunk = ''
    for (const piece of pieces) {
      chunk += piece
      if (chunk.length < chunkLength) continue
      if (!out.write(chunk)) await drained(out)
      chunk = ''
      if (failure !== undefined) break
    }
    if (failure === undefined && chunk !== '') await new Promise<void>((resolve) => out.write(chunk, () => resolve()))
  } finally {
    out.off('error', fail)
  }
  if (failure !== undefined && failure.code !== 'EPIPE') throw failure
}

/** Room again, or an error, which the caller's listener keeps. */
async function drained(out: NodeJS.WritableStream): Promise<void> {
  try {
    await once(out, 'drain')
  } catch {
    // The 'error' event reaches the listener of writeLines too, which decides what it means.
  }
}
