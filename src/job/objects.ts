// What a job on object storage needs beside a local one: the control plane, the grant for the reader threads, the account of requests.
import type { Workload } from '../config/workload.js'
import { datasetParts } from '../dataset/delete.js'
import type { Listing } from '../dataset/listing.js'
import { listObjects } from '../dataset/object-listing.js'
import { ConfigError } from '../errors.js'
import { connect, type Target } from '../storage/object/connect.js'
import type { ObjectAccess } from '../storage/object/read-options.js'
import type { ObjectsOpened } from '../storage/object/record.js'
import { objectReadOptions } from '../storage/object/settings.js'
import type { ObjectControl } from '../storage/object/types.js'
import { keyOf, placeUri, rootUri } from '../storage/uri.js'

export interface JobObjects {
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
  if (grant.proxy !== undefined)
    throw new ConfigError(
      `${placeUri(target.place)}: objects cannot be read through an HTTP proxy; name the endpoint's host in NO_PROXY, or unset HTTPS_PROXY, HTTP_PROXY and storage_options.proxy`,
    )
  const options = objectReadOptions(workload.storage.options)
  return {
    access: { rootUri: rootUri(target.place), grant, options, renew: () => control.grant() },
    list: (signal) => listObjects(workload, control, target.settings.spotCheckObjects, signal),
    deleteDataset: () => deleteObjects(control),
    opened: () => ({ uri: placeUri(target.place), requests: { ...control.requests }, options }),
    close: () => control.close(),
  }
}

async function deleteObjects(control: ObjectControl): Promise<void> {
  for (const part of datasetParts)
    for await (const page of control.list(keyOf(control.place, `${part}/`))) await control.delete(page.map(({ key }) => key))
}
