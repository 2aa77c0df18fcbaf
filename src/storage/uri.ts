// Where data lies: one parsed type for plain paths and URIs. Names are taken as they are written: nothing is percent-decoded or normalised,
// since object keys may hold any character and DLIO takes files' names literally.
import { ConfigError } from '../errors.js'
import type { ObjectPlace } from './object/types.js'

export interface LocalLocation {
  readonly scheme: 'file' | 'direct'
  /** The path as given; relative ones are relative to the working directory. */
  readonly path: string
}

export interface ObjectLocation {
  readonly scheme: 's3' | 'az' | 'gs'
  /** The first part: bucket, container, or for `az://account/container/prefix` the account. */
  readonly bucket: string
  /** What follows, without leading, trailing and doubled slashes; '' is the whole bucket. */
  readonly prefix: string
}

export type Location = LocalLocation | ObjectLocation

const objectSchemes = { s3: 's3', az: 'azure', gs: 'gcs' } as const
const schemes = ['file', 'direct', 's3', 'az', 'gs'] as const
/** What other programs call the same. */
const otherNames: Readonly<Record<string, string>> = {
  s3a: 's3',
  s3n: 's3',
  azure: 'az',
  abfs: 'az',
  abfss: 'az',
  wasb: 'az',
  wasbs: 'az',
  gcs: 'gs',
}

/** True for text that begins with `SCHEME://`. */
export const isUri = (text: string): boolean => /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)

/** Parses a data folder or the URI of a file or object. Throws ConfigError for an unknown scheme and for what no bucket or key can be. */
export function parseLocation(text: string): Location {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)
  if (match === null) {
    const broken = /^(s3|az|gs|file|direct):\/(?!\/)/i.exec(text)
    if (broken !== null) throw new ConfigError(`${text}: a URI has two slashes behind ${broken[1]}: ; write ${broken[1]}://`)
    return { scheme: 'file', path: text }
  }
  const scheme = schemeOf(text, match[1]!)
  let rest = text.slice(match[0].length)
  // `s3://s3://bucket`: programs that put a scheme before what has one already. No bucket's name has a colon, so only this can be meant.
  for (let again = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(rest); again !== null; again = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(rest)) {
    if (again[1]!.toLowerCase() !== scheme) throw new ConfigError(`${text}: has two schemes, ${scheme}:// and ${again[1]}://; leave one`)
    rest = rest.slice(again[0].length)
  }
  if (scheme === 'file' || scheme === 'direct') return { scheme, path: localText(text, rest) }
  const [bucket = '', ...keys] = rest.split('/').filter((part) => part !== '')
  checkBucket(text, scheme, bucket)
  checkKeyParts(text, keys)
  return { scheme, bucket, prefix: keys.join('/') }
}

function schemeOf(text: string, written: string): (typeof schemes)[number] {
  const lower = written.toLowerCase()
  const scheme = schemes.find((known) => known === lower)
  if (scheme !== undefined) return scheme
  const meant = otherNames[lower]
  const advice = meant === undefined ? '' : `; write ${meant}://`
  throw new ConfigError(
    `${text}: unknown scheme ${written}://; known are ${schemes.map((known) => `${known}://`).join(', ')} and plain paths${advice}`,
  )
}

function localText(text: string, path: string): string {
  if (path === '') throw new ConfigError(`${text}: names no path; give one, such as file:///data`)
  return path.startsWith('localhost/') ? path.slice('localhost'.length) : path
}

/** Loose on purpose: servers that look like S3 take more names than AWS does. */
function checkBucket(text: string, scheme: ObjectLocation['scheme'], bucket: string): void {
  const kind = scheme === 'az' ? 'container' : 'bucket'
  if (bucket === '') throw new ConfigError(`${text}: names no ${kind}; write ${scheme}://${kind}/prefix`)
  const form = scheme === 'az' ? /^(?:\$root|\$web|[A-Za-z0-9][A-Za-z0-9.-]{2,254})$/ : /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/
  if (!form.test(bucket))
    throw new ConfigError(
      `${text}: ${JSON.stringify(bucket)} cannot be a ${kind}: it has ${scheme === 'az' ? '3 to 255 letters, digits, dots and hyphens' : '2 to 255 letters, digits, dots, underscores and hyphens'}, and begins with a letter or digit`,
    )
}

function checkKeyParts(text: string, parts: readonly string[]): void {
  const step = parts.find((part) => part === '.' || part === '..')
  if (step !== undefined) throw new ConfigError(`${text}: object keys have no folder ${JSON.stringify(step)}; write the prefix without it`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (parts.some((part) => /[\u0000-\u001f\u007f]/.test(part)))
    throw new ConfigError(`${JSON.stringify(text)}: object keys with control characters are not supported`)
  if (Buffer.byteLength(parts.join('/')) > 1000)
    throw new ConfigError(`${text.slice(0, 80)}…: the prefix is longer than 1000 bytes; keys have at most 1024`)
}

export const isObjectLocation = (location: Location): location is ObjectLocation => !('path' in location)

/** The canonical text of a location: plain paths as they are, one slash between parts, none at the end of a prefix. */
export function formatLocation(location: Location): string {
  if (isObjectLocation(location)) return joinKey(`${location.scheme}://${location.bucket}`, location.prefix)
  return location.scheme === 'file' ? location.path : `direct://${location.path}`
}

/** The path of a location on a local file system. Throws ConfigError where it is an object store. */
export function localPath(location: Location): string {
  if (!isObjectLocation(location)) return location.path
  throw new ConfigError(`${formatLocation(location)}: object storage is not supported here; use a plain path, file:// or direct://`)
}

export interface AzureNaming {
  /** The storage account that applies where the URI names none. */
  readonly account?: string | undefined
  /** Whether the URI begins with the account: as told; else where it repeats the account, or where no account is known. */
  readonly accountInUri?: boolean | undefined
}

/** Bucket, container and prefix of a location. For Azure the first part of the URI may be the account. Throws ConfigError. */
export function placeOf(location: ObjectLocation, azure: AzureNaming = {}): ObjectPlace {
  const { scheme, bucket, prefix } = location
  if (scheme !== 'az') return { provider: objectSchemes[scheme], bucket, prefix }
  const named = /^(.+)\.blob\.[a-z0-9.-]+$/.exec(bucket)?.[1]
  const repeats = azure.account === undefined || bucket === azure.account
  const hasAccount = named !== undefined || (azure.accountInUri ?? (repeats && prefix !== ''))
  if (!hasAccount) {
    if (azure.account !== undefined) return { provider: 'azure', account: azure.account, bucket, prefix }
    throw new ConfigError(
      `${formatLocation(location)}: no storage account is known; set AZURE_STORAGE_ACCOUNT or storage_options.account_name, or write az://account/container/prefix`,
    )
  }
  const [container = '', ...keys] = prefix.split('/')
  checkBucket(formatLocation(location), 'az', container)
  return { provider: 'azure', account: named ?? bucket, bucket: container, prefix: keys.join('/') }
}

/** The URI of a place, by which it is named in messages and results, and with which URIs of its objects begin. */
export function placeUri({ provider, account, bucket, prefix }: ObjectPlace): string {
  if (provider === 'azure') return joinKey(account === undefined ? `az://${bucket}` : `az://${account}/${bucket}`, prefix)
  return joinKey(`${provider === 's3' ? 's3' : 'gs'}://${bucket}`, prefix)
}

/** What URIs of the files of a data set in `place` begin with; the rest is their name below it. */
export const rootUri = (place: ObjectPlace): string => `${placeUri(place)}/`

/** Key of the file `name` of a data set in `place`. */
export const keyOf = (place: ObjectPlace, name: string): string => joinKey(place.prefix, name)

/** The URI of the object `key` of the bucket of `place`. */
export const objectUri = (place: ObjectPlace, key: string): string => placeUri({ ...place, prefix: key })

/** `head/tail`, where either may be empty. */
function joinKey(head: string, tail: string): string {
  return head === '' ? tail : tail === '' ? head : `${head}/${tail}`
}
