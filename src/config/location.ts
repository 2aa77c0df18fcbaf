// Where the data lies: `storage.storage_root` and `dataset.data_folder` as one path or URI.
import { isAbsolute, join } from 'node:path'
import type { Workload } from './workload.js'

const uri = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//

/** The data folder without a trailing slash. Absolute paths and URIs stand for themselves; with object stores the root is the bucket. */
export function locateData(type: Workload['storage']['type'], root: string, folder: string): string {
  if (uri.test(folder)) return withoutTrailingSlash(folder)
  if (type === 's3' || type === 'aistore') {
    const bucket = uri.test(root) ? root : `${type === 's3' ? 's3' : 'ais'}://${root.replace(/^[./]+/, '')}`
    return withoutTrailingSlash(`${withoutTrailingSlash(bucket)}/${folder.replace(/^(?:\.?\/)+/, '')}`)
  }
  if (isAbsolute(folder)) return withoutTrailingSlash(folder)
  return withoutTrailingSlash(uri.test(root) ? `${withoutTrailingSlash(root)}/${join(folder)}` : join(root, folder))
}

function withoutTrailingSlash(path: string): string {
  const stripped = path.replace(/\/+$/, '')
  return stripped === '' || stripped.endsWith(':') ? path : stripped
}
