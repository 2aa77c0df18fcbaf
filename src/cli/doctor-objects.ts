// `doctor` of an object store: the way there, who we are, and each thing that a benchmark does to it, on a scratch object.
import { randomBytes } from 'node:crypto'
import type { Workload } from '../config/workload.js'
import { StorageError } from '../errors.js'
import { createWindow, IoPort, runAsync } from '../storage/io.js'
import { gaugeSlot, IoMeter, meterSlot } from '../storage/meter.js'
import { connect, type Target } from '../storage/object/connect.js'
import { ObjectMeter } from '../storage/object/meter.js'
import { objectReadOptions } from '../storage/object/settings.js'
import { ObjectStorage } from '../storage/object/storage.js'
import type { AccessGrant, ObjectControl, Signing } from '../storage/object/types.js'
import type { Io } from '../storage/types.js'
import { keyOf, objectUri, rootUri } from '../storage/uri.js'
import { type Check, Examination, type Finding } from './doctor-checks.js'
import { examineEndpoint } from './doctor-network.js'

/** Shares of the time there is: for all checks together, for removing the scratch object on top of them, for a connection, for an answer. */
const share = { checks: 0.84, cleanUp: 0.08, connect: 0.4, request: 0.5, read: 0.6 }
const scratchBytes = 100_000

export interface ObjectExamination {
  readonly target: Target
  readonly options: Workload['storage']['options']
  /** Writes nothing: reads an object that is there. */
  readonly readOnly: boolean
  /** For all checks. */
  readonly timeoutMs: number
}

/** Examines a place in an object store within `timeoutMs`. What goes wrong is a failed check; throws ConfigError where the environment's proxy is none. */
export async function examineObjects({ target, options, readOnly, timeoutMs }: ObjectExamination): Promise<Check[]> {
  const { place } = target
  // One attempt and short waits: a doctor wants to see the first failure, and is waited for.
  const settings = {
    ...target.settings,
    maxAttempts: 1,
    connectTimeoutMs: share.connect * timeoutMs,
    requestTimeoutMs: share.request * timeoutMs,
  }
  const examination = new Examination(share.checks * timeoutMs)
  let storage: ObjectControl | undefined
  let grant: AccessGrant | undefined
  // Endpoints that are configured are examined first: credentials may depend on nothing else, or be what fails.
  const ways: string[] = []
  for (const endpoint of settings.endpoints) ways.push(...(await examineEndpoint(examination, new URL(endpoint).origin, settings)))
  await examination.run('credentials', [], async () => {
    storage = await connect({ place, settings })
    grant = await storage.grant()
    return describeSigning(grant)
  })
  const known = new Set(settings.endpoints.map((endpoint) => new URL(endpoint).origin))
  if (grant !== undefined)
    for (const endpoint of grant.endpoints) if (!known.has(endpoint)) ways.push(...(await examineEndpoint(examination, endpoint, grant)))
  const needs = ['credentials', ...ways]
  try {
    const key = keyOf(place, `.dl-driver-doctor-${randomBytes(6).toString('hex')}`)
    await examineRequests(examination, needs, { storage: () => storage!, grant: () => grant!, key, options, readOnly, timeoutMs })
  } finally {
    storage?.close()
  }
  return examination.checks
}

/** Who signs how, without what must stay secret. */
function describeSigning({ signing, expiresAtMs }: AccessGrant): Finding {
  const who = (s: Signing): string => {
    switch (s.kind) {
      case 'anonymous':
        return 'none: requests are anonymous'
      case 'sigv4':
        return `access key ${s.accessKeyId.slice(0, 4)}…${s.sessionToken === undefined ? '' : ' with a session token'}, region ${s.region}`
      case 'sharedKey':
        return `key of storage account ${s.account}`
      case 'sas':
        return 'shared access signature'
      case 'bearer':
        return 'OAuth token'
    }
  }
  if (expiresAtMs === undefined) return { detail: who(signing) }
  const minutes = Math.floor((expiresAtMs - Date.now()) / 60_000)
  if (minutes < 0) return { outcome: 'failed', detail: `${who(signing)}, expired ${-minutes} minutes ago` }
  return { ...(minutes < 10 ? { outcome: 'warning' as const } : {}), detail: `${who(signing)}, good for ${minutes} minutes` }
}

interface Subject {
  readonly storage: () => ObjectControl
  readonly grant: () => AccessGrant
  /** Key of the scratch object. */
  readonly key: string
  readonly options: Workload['storage']['options']
  readonly readOnly: boolean
  readonly timeoutMs: number
}

async function examineRequests(examination: Examination, needs: readonly string[], subject: Subject): Promise<void> {
  const { storage, key } = subject
  const content = randomBytes(scratchBytes)
  let found: { key: string; sizeBytes: number } | undefined
  await examination.run('LIST', needs, async () => {
    for await (const page of storage().list(storage().place.prefix === '' ? '' : `${storage().place.prefix}/`)) {
      found = page.find(({ sizeBytes }) => sizeBytes > 1)
      return { detail: page.length === 0 ? 'nothing lies there yet' : `${page.length} objects on the first page` }
    }
    return { detail: 'nothing lies there yet' }
  })
  if (subject.readOnly) {
    await examination.run('PUT', needs, () => ({ outcome: 'skipped', detail: 'not asked for (--read-only)' }))
    if (found === undefined) await examination.run('GET', needs, () => ({ outcome: 'note', detail: 'there is no object to read' }))
    else await examineReads(examination, needs, subject, found.key, undefined, found.sizeBytes)
    return
  }
  let mayExist = false
  try {
    await examination.run('PUT', needs, async () => {
      mayExist = true
      try {
        await storage().put(key, content)
      } catch (error) {
        // A server that said no has kept nothing.
        if (/, HTTP 4\d\d/.test((error as Error).message)) mayExist = false
        throw error
      }
      return { detail: `${scratchBytes} bytes, size checked` }
    })
    await examineReads(examination, [...needs, 'PUT'], subject, key, content, scratchBytes)
  } finally {
    if (mayExist) await remove(examination, subject)
  }
}

async function examineReads(
  examination: Examination,
  needs: readonly string[],
  { storage, grant, options, timeoutMs }: Subject,
  key: string,
  content: Uint8Array | undefined,
  sizeBytes: number,
): Promise<void> {
  const begin = Math.floor(sizeBytes / 3)
  const end = Math.min(begin + 1000, sizeBytes)
  let hasRanges = true
  await examination.run('range', needs, async () => {
    const bytes = await storage().get(key, { begin, end })
    hasRanges = bytes.length !== sizeBytes || end - begin === sizeBytes
    if (!hasRanges)
      throw new Error('the server ignores ranges and sends the whole object; that does for formats that are read whole, without part_size')
    return compare(bytes, content?.subarray(begin, end), end - begin, `bytes ${begin} to ${end - 1}`)
  })
  // Whole objects may be had all the same.
  await examination.run('GET', hasRanges ? [...needs, 'range'] : needs, async () => {
    const bytes = await readAsRunsDo(grant(), options, timeoutMs, key, Math.min(sizeBytes, 1 << 20))
    return compare(bytes, content, Math.min(sizeBytes, 1 << 20), 'the object, as reader threads fetch it')
  })
}

function compare(bytes: Uint8Array, wanted: Uint8Array | undefined, wantedBytes: number, what: string): Finding {
  if (bytes.length !== wantedBytes) throw new Error(`${bytes.length} bytes came for ${what}, not ${wantedBytes}`)
  if (wanted !== undefined && !Buffer.from(bytes).equals(Buffer.from(wanted))) throw new Error(`${what} came back changed`)
  return { detail: `${what}${wanted === undefined ? '' : ', equal to what was written'}` }
}

/** Reads through the client of the reader threads, which has its own signatures and its own HTTP. */
async function readAsRunsDo(
  grant: AccessGrant,
  options: Subject['options'],
  timeoutMs: number,
  key: string,
  byteLength: number,
): Promise<Uint8Array> {
  const read = objectReadOptions(options)
  const meters = {
    io: new IoMeter(new Float64Array(meterSlot.count), new Int32Array(gaugeSlot.count)),
    objects: new ObjectMeter(grant.endpoints.length),
  }
  const root = rootUri({ ...grant.place, prefix: '' })
  const waits = {
    connectTimeoutMs: share.connect * timeoutMs,
    headTimeoutMs: share.read * timeoutMs,
    stallTimeoutMs: share.read * timeoutMs,
  }
  const quick = { ...read, retry: { ...read.retry, maxAttempts: 1 }, ...waits }
  const reader = new ObjectStorage(
    { ...grant, place: { ...grant.place, prefix: '' } },
    root,
    { ...quick, access: 'ranges', requestBytes: byteLength },
    meters,
    () => {},
  )
  const port = new IoPort(createWindow(byteLength))
  try {
    return await runAsync(wholeObject(port, `${root}${key}`, byteLength), reader)
  } finally {
    reader.close()
  }
}

function* wholeObject(port: IoPort, uri: string, byteLength: number): Io<Uint8Array> {
  const handle = yield port.open(uri)
  const got = yield port.read(handle, 0, byteLength)
  const bytes = port.window.bytes.slice(port.window.begin, port.window.begin + got)
  yield port.close(handle)
  return bytes
}

/** Removes the scratch object, also when time is up. */
async function remove(examination: Examination, { storage, key, timeoutMs }: Subject): Promise<void> {
  const last = new Examination(Math.max(examination.leftMs, share.cleanUp * timeoutMs))
  await last.run('DELETE', [], async () => {
    await storage().delete([key])
    if ((await storage().head(key)) !== undefined)
      throw new StorageError(objectUri(storage().place, key), 'delete', `it is still there; endpoint ${storage().endpoint}`)
    return { detail: 'the scratch object is gone' }
  })
  const left = `; ${objectUri(storage().place, key)} may be left behind: remove it`
  for (const check of last.checks) examination.checks.push(check.outcome === 'failed' ? { ...check, detail: check.detail + left } : check)
}
