// The records of all processes of a job as one.
import type { ProcessPlace, World } from '../cluster/world.js'
import { mergeGenerations } from '../dataset/generation-record.js'
import type { IoRecord, RunRecord } from '../metrics/records.js'
import { mergeCheckpointObjects, mergeLatencies, mergeObjects } from '../storage/object/record.js'

/** How long an interrupted job's processes wait for each other's records: launchers give them about a second in all. */
const interruptedMs = 600

export interface JoinedRecords {
  /** Of the whole job on process 0, of the own ranks elsewhere, and where the others did not answer. */
  readonly record: RunRecord
  /** False where any process was stopped before its end. */
  readonly complete: boolean
  /** Whether the record lacks ranks of other processes that were not heard of any more. */
  readonly lacksOthers: boolean
}

/** Collective. */
export async function joinRecords(world: World, own: RunRecord, complete: boolean): Promise<JoinedRecords> {
  if (world.processes === 1) return { record: own, complete, lacksOthers: false }
  const exchange = async (): Promise<JoinedRecords> => {
    const [everywhere] = await world.reduce([complete ? 1 : 0], 'min')
    const records = await world.gather(own)
    return { record: records ? mergeRecords(records, world.places) : own, complete: everywhere === 1, lacksOthers: false }
  }
  const joined = exchange()
  joined.catch(() => {})
  let timer: NodeJS.Timeout | undefined
  const givenUp = new Promise<JoinedRecords>((resolve) => {
    const begin = () => {
      timer = setTimeout(() => resolve({ record: own, complete: false, lacksOthers: true }), interruptedMs)
    }
    if (world.interrupted.aborted) begin()
    else world.interrupted.addEventListener('abort', begin)
  })
  return Promise.race([joined, givenUp]).finally(() => clearTimeout(timer))
}

/** One record of several processes', by process. Pure. */
export function mergeRecords(records: readonly RunRecord[], places: readonly Pick<ProcessPlace, 'hostIndex'>[]): RunRecord {
  const first = records[0]!
  const clients = records.map(({ client }) => client)
  const sumOf = (value: (client: RunRecord['client']) => number) => sum(clients.map(value))
  const firstSamples = clients.flatMap(({ firstSampleSeconds }) => firstSampleSeconds ?? [])
  const checkpointBytesWritten = sum(records.map((record) => record.checkpointBytesWritten ?? 0))
  const ranksOf = (record: RunRecord) => record.ranks.length
  const latencies = records.flatMap(({ histograms }) => histograms.sampleReadUs ?? [])
  return {
    ...first,
    endMs: Math.max(...records.map(({ endMs }) => endMs)),
    ranks: records.flatMap(({ ranks }) => ranks).sort((a, b) => a.rank - b.rank),
    // Each host's first process speaks for it.
    hosts: records
      .filter((_, i) => places.findIndex(({ hostIndex }) => hostIndex === places[i]!.hostIndex) === i)
      .flatMap(({ hosts }) => hosts),
    ...(first.generation && { generation: mergeGenerations(records.flatMap(({ generation }) => generation ?? [])) }),
    io: mergeIo(records.map(({ io }) => io)),
    ...(checkpointBytesWritten > 0 ? { checkpointBytesWritten } : {}),
    ...(first.checkpointObjects && {
      checkpointObjects: mergeCheckpointObjects(records.flatMap(({ checkpointObjects }) => checkpointObjects ?? [])),
    }),
    ...(first.objects && { objects: mergeObjects(records.flatMap(({ objects }) => objects ?? [])) }),
    client: {
      cpuSeconds: sumOf(({ cpuSeconds }) => cpuSeconds),
      wallSeconds: Math.max(...clients.map(({ wallSeconds }) => wallSeconds)),
      maxRssBytes: sumOf(({ maxRssBytes }) => maxRssBytes),
      // Each rank has about as many computations as the next.
      computeLagMeanMs: sum(records.map((record) => record.client.computeLagMeanMs * ranksOf(record))) / sum(records.map(ranksOf)),
      computeLagMaxMs: Math.max(...clients.map(({ computeLagMaxMs }) => computeLagMaxMs)),
      ...(firstSamples.length === 0 ? {} : { firstSampleSeconds: Math.max(...firstSamples) }),
      threads: sumOf(({ threads }) => threads),
      cpusAvailable: usableProcessors(records, places),
    },
    histograms: latencies.length === 0 ? {} : { sampleReadUs: mergeLatencies(latencies) },
  }
}

function mergeIo(parts: readonly IoRecord[]): IoRecord {
  const total = (value: (io: IoRecord) => number) => sum(parts.map(value))
  return {
    ...parts[0]!,
    bytesAsked: total(({ bytesAsked }) => bytesAsked),
    readCalls: total(({ readCalls }) => readCalls),
    filesOpened: total(({ filesOpened }) => filesOpened),
    retries: total(({ retries }) => retries),
    samplesRead: total(({ samplesRead }) => samplesRead),
    readsInFlight: total(({ readsInFlight }) => readsInFlight),
  }
}

/** Those that processes are bound to, and on no host more than it has. */
function usableProcessors(records: readonly RunRecord[], places: readonly Pick<ProcessPlace, 'hostIndex'>[]): number {
  const byHost = new Map<number, { bound: number; installed: number }>()
  for (const [i, { client, hosts }] of records.entries()) {
    const installed = hosts[0]?.cpuCount ?? 0
    const { bound } = byHost.get(places[i]!.hostIndex) ?? { bound: 0 }
    byHost.set(places[i]!.hostIndex, { bound: bound + (client.cpusAvailable ?? installed), installed })
  }
  return sum([...byHost.values()].map(({ bound, installed }) => Math.min(bound, installed)))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
