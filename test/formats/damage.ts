// What becomes of data files in the wild, for every format alike: cut off, empty, foreign, with lies in any byte.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataError } from '#src/errors.js'
import type { Format, ReaderOptions } from '#src/formats/types.js'
import { type Harness, harness, noise } from './memory-storage.js'

export function optionsOf(over: Partial<ReaderOptions> = {}): ReaderOptions {
  return { extent: 'file', requestBytes: 262_144, verify: false, samplesPerFile: 1, elementType: 'uint8', keepOpen: false, ...over }
}

/** Reads samples of `uri` one after the other with one reader; all files are closed afterwards, whatever happens. */
export function readSamples(
  format: Format,
  files: Record<string, Uint8Array>,
  over: Partial<ReaderOptions> = {},
  samples: readonly number[] = [0],
  uri = 'f',
): Harness & { bytes: number[] } {
  const options = optionsOf(over)
  const h = harness(files, options.requestBytes, 5)
  const reader = format.sampleReader!(h.port, options)
  const bytes: number[] = []
  try {
    for (const sample of samples) bytes.push(h.run(reader.read(uri, sample)))
    return { ...h, bytes }
  } finally {
    h.run(reader.close())
    assert.equal(h.storage.openFiles, 0, 'every file is closed, after an error too')
  }
}

/** Damaged forms of a file: every short length, some long ones, foreign bytes, and single bytes changed. */
export function* damaged(file: Uint8Array, flips = 300): Iterable<{ readonly what: string; readonly bytes: Uint8Array }> {
  yield { what: 'empty', bytes: new Uint8Array(0) }
  yield { what: 'zeros', bytes: new Uint8Array(file.length) }
  yield { what: 'noise', bytes: noise(file.length, 99) }
  yield { what: 'twice', bytes: Buffer.concat([file, file]) }
  const lengths = new Set([...Array.from({ length: Math.min(64, file.length) }, (_, i) => i), file.length >> 1, file.length - 1])
  for (const length of lengths) yield { what: `cut to ${length}`, bytes: file.slice(0, length) }
  // Headers and footers first: half of the changes go into the first and the last hundred bytes.
  const places = noise(4 * flips, 7)
  for (let i = 0; i < flips; i++) {
    const number = places[4 * i]! * 65_536 + places[4 * i + 1]! * 256 + places[4 * i + 2]!
    const at =
      i % 4 === 0
        ? number % Math.min(100, file.length)
        : i % 4 === 1
          ? file.length - 1 - (number % Math.min(100, file.length))
          : number % file.length
    const bytes = file.slice()
    bytes[at] = i % 8 < 4 ? 0xff : places[4 * i + 3]!
    yield { what: `byte ${at} = ${bytes[at]}`, bytes }
  }
}

/** Reading any of these either works or ends in a DataError that names the file; it never hangs (the storage counts) and closes its files. */
export function assertSurvives(
  format: Format,
  file: Uint8Array,
  over: Partial<ReaderOptions> = {},
  beside: (bytes: Uint8Array) => Record<string, Uint8Array> = () => ({}),
): void {
  const variants = [...damaged(file)]
  const files: Record<string, Uint8Array> = {}
  for (const [i, { bytes }] of variants.entries()) {
    for (const [name, data] of Object.entries(beside(bytes))) files[name.replace(/^f/, `f${i}`)] = data
    files[`f${i}`] = bytes
  }
  for (const extent of ['file', 'upstream', 'sample'] as const)
    for (const verify of [false, true]) {
      // One reader for all, as in a run: what one file did to it must not show in the next.
      const options = optionsOf({ ...over, extent, verify })
      const h = harness(files, options.requestBytes, 5)
      const reader = format.sampleReader!(h.port, options)
      for (const [i, { what }] of variants.entries()) {
        try {
          h.run(reader.read(`f${i}`, 0))
        } catch (error) {
          assert.ok(
            error instanceof DataError && error.message.startsWith(`f${i}`),
            `${what}, ${extent}: ${String((error as Error).stack)}`,
          )
        }
        assert.equal(h.storage.openFiles, 0, 'every file is closed, after an error too')
      }
      h.run(reader.close())
    }
}

/** Inspecting any of these either works or ends in a DataError. */
export async function assertInspectSurvives(format: Format, file: Uint8Array, name: string, flips = 60): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dl-driver-damage-'))
  try {
    const path = join(folder, name)
    for (const { what, bytes } of damaged(file, flips)) {
      writeFileSync(path, bytes)
      try {
        await format.inspect(path)
      } catch (error) {
        assert.ok(error instanceof DataError && error.message.startsWith(path), `${what}: ${String((error as Error).stack)}`)
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
