// Where the data lies: `storage.storage_root` and `dataset.data_folder` as one path or URI.
import { isAbsolute, join } from 'node:path'
import { formatLocation, isObjectLocation, isUri, parseLocation } from '../storage/uri.js'
import type { Workload } from './workload.js'

export interface Located {
  /** The data folder without a trailing slash: a path or a URI in its canonical spelling. */
  readonly folder: string
  /** What the user should know about how the two keys were read. */
  readonly warning?: string
}

/**
 * Absolute paths and URIs stand for themselves; with object stores the root is the bucket, or a URI. `uriScheme` is the option of MLCommons'
 * DLIO that sends `storage_type: s3` elsewhere. Throws ConfigError for what is no URI.
 */
export function locateData(type: Workload['storage']['type'], root: string, folder: string, uriScheme?: string): Located {
  if (type === 's3' && (uriScheme === 'file' || uriScheme === 'direct')) return locateFiles(root, folder, uriScheme)
  if (type !== 's3' && type !== 'aistore') return locateFiles(root, folder)
  const scheme = type === 'aistore' ? 'ais' : (uriScheme ?? 's3')
  if (type === 'aistore') return { folder: isUri(folder) ? folder : `${scheme}://${trimmed(root)}/${trimmed(folder)}` }
  const bucket = isUri(root) ? canonical(root) : trimmed(root) === '' ? undefined : canonical(`${scheme}://${trimmed(root)}`)
  if (isUri(folder)) {
    const own = canonical(folder)
    if (bucket === undefined || own === bucket || own.startsWith(`${bucket}/`)) return { folder: own }
    return { folder: own, warning: `dataset.data_folder ${own} lies outside of storage.storage_root ${bucket}; the folder's URI applies` }
  }
  const key = trimmed(folder)
  if (bucket === undefined) return { folder: canonical(`${scheme}://${key}`) }
  const parsed = parseLocation(bucket)
  // `storage_root: b` with `data_folder: b/data`: DLIO's own scripts write it so, and DLIO then doubles the bucket.
  if (isObjectLocation(parsed) && parsed.prefix === '' && (key === parsed.bucket || key.startsWith(`${parsed.bucket}/`))) {
    const once = canonical(`${scheme}://${key}`)
    return {
      folder: once,
      warning: `dataset.data_folder ${folder} begins with the bucket, which storage.storage_root names already: the data lies in ${once}; for a prefix of that name give the whole URI`,
    }
  }
  return { folder: canonical(`${bucket}/${key}`) }
}

function locateFiles(root: string, folder: string, scheme?: 'file' | 'direct'): Located {
  if (isUri(folder)) return { folder: canonical(folder) }
  if (isAbsolute(folder)) return { folder: withScheme(withoutTrailingSlash(folder), scheme) }
  if (!isUri(root)) return { folder: withScheme(withoutTrailingSlash(join(root, folder)), scheme) }
  return { folder: canonical(`${withoutTrailingSlash(root)}/${folder === '' ? '' : join(folder)}`) }
}

const withScheme = (path: string, scheme: 'file' | 'direct' | undefined): string => (scheme === 'direct' ? `direct://${path}` : path)

/** Without the slashes, and `./`, around it. */
const trimmed = (text: string): string => text.replace(/^(?:\.?\/)+|^\.$/, '').replace(/\/+$/, '')

/** Of files the text as it is, since it is shown; of objects the canonical spelling. */
function canonical(uri: string): string {
  const location = parseLocation(uri)
  return isObjectLocation(location) ? formatLocation(location) : withoutTrailingSlash(uri)
}

function withoutTrailingSlash(path: string): string {
  const stripped = path.replace(/\/+$/, '')
  return stripped === '' || stripped.endsWith(':') ? path : stripped
}
