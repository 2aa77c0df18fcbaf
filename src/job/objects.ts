// What a job on object storage needs beside a local one: the control plane, the grant for the reader threads, the account of requests.
import type { Warning, Workload } from '../config/workload.js'
import { datasetParts } from '../dataset/delete.js'
import type { Listing } from '../dataset/listing.js'
import { listObjects } from '../dataset/object-listing.js'
import { connect, type Target } from '../storage/object/connect.js'
import { proxiesOf, proxyWarnings } from '../storage/object/proxy.js'
import type { ObjectAccess } from '../storage/object/read-options.js'
import type { ObjectsOpened } from '../storage/object/record.js'
import { objectReadOptions } from '../storage/object/settings.js'
import type { ObjectControl } from '../storage/object/types.js'
import { keyOf, placeUri, rootUri } from '../storage/uri.js'

export interface JobObjects {
  /** What people should know of the way to the storage. */
  readonly warnings: readonly Warning[]
  readonly access: ObjectAccess
  list(signal: AbortSignal): Promise<Listing>
  /** Deletes the data set, for `dataset.keep_files: false`. Throws StorageError. */
  deleteDataset(): Promise<void>
  /** As it is now. */
  opened(): ObjectsOpened
  close(): void
}

/** Opens the control plane. Throws ConfigError, and StorageError where there are no credentials. */
export async function openObjects(target: Target, workload: Workload): Promise<JobObjects> {
  const control = await connect(target)
  const grant = await control.grant()
  const options = objectReadOptions(workload.storage.options)
  const proxy = proxiesOf(grant.proxies, grant.endpoints)
  return {
    warnings: proxyWarnings(proxy),
    access: { rootUri: rootUri(target.place), grant, options, renew: () => control.grant() },
    list: (signal) => listObjects(workload, control, target.settings.spotCheckObjects, signal),
    deleteDataset: () => deleteObjects(control),
    opened: () => ({
      uri: placeUri(target.place),
      requests: { ...control.requests },
      retries: { ...control.retries },
      options: { ...options, ...(proxy !== undefined && { proxy }) },
    }),
    close: () => control.close(),
  }
}

async function deleteObjects(control: ObjectControl): Promise<void> {
  for (const part of datasetParts)
    for await (const page of control.list(keyOf(control.place, `${part}/`))) await control.delete(page.map(({ key }) => key))
}
