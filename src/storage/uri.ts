// Where data lives: one parsed type for plain paths and URIs.
import { ConfigError } from '../errors.js'

export interface Location {
  readonly scheme: 'file' | 'direct' | 's3' | 'az' | 'gs'
  /** For file and direct: the path, as given (relative ones are relative to the working directory). Otherwise everything after `//`. */
  readonly path: string
}

const schemes = ['file', 'direct', 's3', 'az', 'gs'] as const

/** Parses a data folder. Throws ConfigError for a scheme that is not known. */
export function parseLocation(text: string): Location {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)
  if (match === null) return { scheme: 'file', path: text }
  const scheme = schemes.find((known) => known === match[1]!.toLowerCase())
  if (scheme === undefined)
    throw new ConfigError(
      `${text}: unknown scheme ${match[1]}://; known are ${schemes.map((known) => `${known}://`).join(', ')} and plain paths`,
    )
  return { scheme, path: text.slice(match[0].length) }
}

/** The path of a location on a local file system. Throws ConfigError where it is an object store. */
export function localPath(location: Location): string {
  if (location.scheme === 'file' || location.scheme === 'direct') return location.path
  throw new ConfigError(
    `${location.scheme}://${location.path}: object storage is not supported yet; use a plain path, file:// or direct://`,
  )
}
