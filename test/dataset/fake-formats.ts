// A table of formats with small writers, for tests of the generator itself. Each tries one behaviour.
import { appendFileSync } from 'node:fs'
import type { Format, FormatWriter } from '#src/formats/types.js'

const headerBytes = 64
const payloadBytes = ({ dims, samples }: Parameters<FormatWriter['sizeBytes']>[0]): number => dims.reduce((a, b) => a * b, samples)

/** A header that is only known at the end, and content. */
const plain: FormatWriter = {
  sizeBytes: (spec) => headerBytes + payloadBytes(spec),
  write(spec, content, out) {
    out.append(new Uint8Array(headerBytes))
    for (let rest = payloadBytes(spec); rest > 0; ) {
      const piece = content.next(rest)
      out.append(piece)
      rest -= piece.length
    }
    out.patch(0, Buffer.from(`dims ${spec.dims} of ${spec.elementType}`))
  },
}

/** The same with an index. */
const indexed: FormatWriter = {
  ...plain,
  write(spec, content, out, side) {
    plain.write(spec, content, out, side)
    side('index', Buffer.from(`0 ${out.byteLength}\n`))
  },
}

/** Writes for ever; when it is left by an exception it says so in the file that the environment names. */
const endless: FormatWriter = {
  sizeBytes: () => 1 << 20,
  write(_, content, out) {
    try {
      for (;;) {
        out.append(content.next(20_000))
        if (out.byteLength > 1 << 22) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      }
    } finally {
      appendFileSync(process.env.ENDLESS_WRITER_LOG!, 'left\n')
    }
  },
}

/** Writes more than is gathered and then never comes back. */
const stuck: FormatWriter = {
  sizeBytes: () => 1 << 20,
  write(_, content, out) {
    for (let rest = 1 << 19; rest > 0; rest -= 1 << 15) out.append(content.next(1 << 15))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },
}

/** Fails in the middle of the third file. */
let filesBegun = 0
const failing: FormatWriter = {
  sizeBytes: () => 1 << 18,
  write(_, content, out) {
    out.append(content.next(1 << 18))
    if (++filesBegun === 3) throw new Error('the writer gave up')
  },
}

/** Ends its thread. */
const dying: FormatWriter = {
  sizeBytes: () => 1 << 18,
  write(_, content, out) {
    out.append(content.next(1 << 18))
    process.exit(7)
  },
}

/** A size that nobody knows beforehand. */
const compressed: FormatWriter = { ...plain, sizeBytes: () => undefined }

const format = (name: string, writer: FormatWriter): Format => ({
  name,
  kind: 'sample',
  writer,
  inspect: () => Promise.reject(new Error('not needed')),
})

const formats: Readonly<Record<string, Format>> = {
  npz: format('npz', plain),
  tfrecord: format('tfrecord', indexed),
  npy: format('npy', endless),
  hdf5: format('hdf5', compressed),
  jpeg: format('jpeg', failing),
  png: format('png', stuck),
  synthetic: format('synthetic', dying),
}

export const isFormatName = (name: string): boolean => Object.hasOwn(formats, name)
export const getFormat = (name: string): Format => formats[name]!
