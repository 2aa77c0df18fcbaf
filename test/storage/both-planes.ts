// A place in an object store as a run uses it: written and listed by the control plane, read by the data plane, under a chosen environment.
import assert from 'node:assert/strict'
import { createWindow, IoPort, runAsync } from '#src/storage/io.js'
import { privateMeter } from '#src/storage/meter.js'
import { connect, resolveTarget } from '#src/storage/object/connect.js'
import { ObjectMeter } from '#src/storage/object/meter.js'
import { defaultReadOptions } from '#src/storage/object/read-options.js'
import { ObjectStorage } from '#src/storage/object/storage.js'
import type { AccessGrant, ObjectControl } from '#src/storage/object/types.js'
import { isObjectLocation, keyOf, objectUri, parseLocation, rootUri } from '#src/storage/uri.js'
import { readAll } from './read-all.js'
import type { Options } from './services.js'

/** What providers' libraries, and this program, take from the environment about object stores and the way there. */
const telling = /^(AWS_|S3_|AZURE_|MSI_|IDENTITY_|GOOGLE_|GCLOUD_|GCE_|STORAGE_|METADATA_|NODE_EXTRA_CA_CERTS$)|_proxy$/i

/** Runs with these variables about object stores and no others. Only one at a time. */
export async function withEnvironment<T>(env: NodeJS.ProcessEnv, action: () => Promise<T>): Promise<T> {
  const kept = { ...process.env }
  for (const name of Object.keys(process.env)) if (telling.test(name)) delete process.env[name]
  Object.assign(process.env, env)
  try {
    return await action()
  } finally {
    for (const name of Object.keys(process.env)) delete process.env[name]
    Object.assign(process.env, kept)
  }
}

/** Opens the control plane as commands do. */
export async function open(uri: string, options: Options): Promise<ObjectControl> {
  const location = parseLocation(uri)
  assert.ok(isObjectLocation(location))
  return connect(resolveTarget(location, options))
}

/** What a reader gets with a grant that it may ask to be renewed. */
export async function read(control: ObjectControl, key: string, grant: AccessGrant): Promise<Buffer> {
  const retry = { ...defaultReadOptions.retry, baseDelayMs: 1, maxDelayMs: 1 }
  const storage: ObjectStorage = new ObjectStorage(
    grant,
    rootUri(control.place),
    { ...defaultReadOptions, retry, access: 'stream', requestBytes: 65_536 },
    { io: privateMeter(), objects: new ObjectMeter(grant.endpoints.length) },
    () => void control.grant().then((renewed) => storage.renew(renewed)),
  )
  try {
    return await runAsync(readAll(new IoPort(createWindow(65_536, 2)), objectUri(control.place, key), 65_536), storage)
  } finally {
    storage.close()
  }
}

/** Writes, lists and reads an object of a place under an environment; returns what the readers were granted. */
export function useBothPlanes(uri: string, options: Options, env: NodeJS.ProcessEnv): Promise<AccessGrant> {
  return withEnvironment(env, async () => {
    const control = await open(uri, options)
    try {
      const grant = await control.grant()
      const key = keyOf(control.place, 'k')
      const content = Buffer.from(`content of ${uri}`)
      await control.put(key, content)
      const listed: string[] = []
      for await (const page of control.list(keyOf(control.place, ''))) listed.push(...page.map((object) => object.key))
      assert.deepEqual(listed, [key])
      assert.deepEqual(await read(control, key, grant), content)
      return grant
    } finally {
      control.close()
    }
  })
}
