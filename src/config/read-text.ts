// Reads a configuration file as text, refusing what cannot be one.
import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { ConfigError } from '../errors.js'
import { configError, problemAt } from './problems.js'

/** Far beyond any workload file (the largest that ships has 2 KB), and small enough to parse in about a second whatever it holds. */
const maxFileBytes = 1 << 18

/** The text of a file, without a byte order mark. `name` is what people call the file. Throws ConfigError. */
export function readText(path: string, name: string): string {
  const refuse = (rule: string, remedy: string): ConfigError =>
    configError([problemAt({ source: { name, lines: [] } }, '', { rule, remedy })])
  try {
    // O_NONBLOCK: opening a named pipe must not wait for a writer.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = fstatSync(fd)
      if (stat.isDirectory()) throw refuse('a configuration is a file; this is a directory', 'name the YAML file in it')
      if (!stat.isFile()) throw refuse('a configuration is a regular file', 'write the configuration to a file first')
      if (stat.size > maxFileBytes)
        throw refuse(`a configuration has at most ${maxFileBytes} bytes; this file has ${stat.size}`, 'name a DLIO workload file')
      return decode(readAll(fd, stat.size), refuse)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw refuse(`the file must be readable (${code})`, remedyForCode(code, name))
  }
}

function remedyForCode(code: string, name: string): string {
  if (code === 'ENOENT' || code === 'ENOTDIR') return `check the path; relative paths start at the working directory`
  if (code === 'EACCES' || code === 'EPERM') return `make ${name} readable for this user`
  return 'name another file'
}

function readAll(fd: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  let end = 0
  while (end < sizeBytes) {
    const got = readSync(fd, bytes, end, sizeBytes - end, end)
    if (got === 0) break
    end += got
  }
  return bytes.subarray(0, end)
}

function decode(bytes: Buffer, refuse: (rule: string, remedy: string) => ConfigError): string {
  const zero = bytes.indexOf(0)
  if (zero >= 0) throw refuse(`a configuration is text; this is a binary file (zero byte at offset ${zero})`, 'name a DLIO workload file')
  if (!isUtf8(bytes))
    throw refuse(`a configuration is UTF-8 text; bytes at offset ${firstInvalid(bytes)} are not`, 'save the file as UTF-8')
  return bytes.toString('utf8').replace(/^\uFEFF/, '')
}

/** Offset of the first byte that does not belong to valid UTF-8: re-encoding agrees with the bytes up to there. */
function firstInvalid(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'))
  let offset = 0
  while (bytes[offset] === again[offset]) offset++
  return offset
}
