// What the processes of one job settle before they run: that they do the same work, and on which files.

import { fromFirst, together } from '../cluster/agreement.js'
import type { World } from '../cluster/world.js'
import type { Workload } from '../config/workload.js'
import { type PackedList, packList, unpackFiles } from '../dataset/file-lists.js'
import type { Listing } from '../dataset/listing.js'
import { ConfigError } from '../errors.js'
import type { RunLog } from '../output/events.js'

/** Collective. Throws ConfigError on process 0 where another one was started with another configuration, PeerError there. */
export async function agreeOnWork(world: World, { source, semantics, framework }: Workload): Promise<void> {
  if (world.processes === 1) return
  const digests = await world.allGather(`${source.configDigest} ${semantics} ${framework}`)
  const different = digests.findIndex((digest) => digest !== digests[0])
  await together(world, () => {
    if (different > 0)
      throw new ConfigError(
        `rank ${world.places[different]!.ranks.begin} on ${world.places[different]!.host} was started with another configuration than rank 0; ` +
          'give all of them the same command line, environment and files',
      )
  })
}

/** Collective: process 0 lists for all. Errors: those of `list`. */
export async function listTogether(world: World, workload: Workload, list: () => Listing | Promise<Listing>): Promise<Listing> {
  if (world.processes === 1) return list()
  const { train, valid, warnings } = await fromFirst(world, async () => {
    const { files, warnings } = await list()
    return { train: portable(packList(files.train)), valid: portable(packList(files.valid)), warnings }
  })
  return { files: unpackFiles({ train: shared(train), valid: shared(valid) }, workload), warnings }
}

type PortableList =
  | { readonly kind: 'computed' }
  | { readonly kind: 'listed'; readonly count: number; readonly offsets: Uint8Array; readonly text: Uint8Array }

/** Shared memory does not leave its process. */
function portable(list: PackedList): PortableList {
  if (list.kind === 'computed') return list
  return { kind: 'listed', count: list.count, offsets: new Uint8Array(list.offsets).slice(), text: new Uint8Array(list.text).slice() }
}

function shared(list: PortableList): PackedList {
  if (list.kind === 'computed') return list
  const share = (bytes: Uint8Array) => {
    const memory = new SharedArrayBuffer(bytes.length)
    new Uint8Array(memory).set(bytes)
    return memory
  }
  return { kind: 'listed', count: list.count, offsets: share(list.offsets), text: share(list.text) }
}

/** A log that hears of what is wrong here only: process 0 speaks for all of what happens everywhere. */
export function linesOnly(log: RunLog): RunLog {
  return { line: (level, text) => log.line(level, text), event() {} }
}

export const silentLog: RunLog = { line() {}, event() {} }
