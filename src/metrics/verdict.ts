// What a run was bound by, said with the numbers that show it. Thresholds and their reasons: docs/metrics.md.
import type { RunRecord } from './records.js'
import type { TimeSplit } from './time-split.js'

export type BoundBy = 'storage' | 'compute' | 'client' | 'mixed' | 'unknown'

export interface Verdict {
  readonly boundBy: BoundBy
  /** The numbers behind it, for people. */
  readonly reason: string
  /** The one thing to change to see a different result; absent where there is nothing to advise. */
  readonly advice?: string
  /** CPU time over the time of the processors that this run could keep busy. */
  readonly clientBusyPercent?: number
}

/** Waiting (or barrier) time up to this share of the measured time is not what limits a run. */
const littleWaitingPercent = 10
/** From here on the client's processors are the limit; no storage could be driven faster. */
export const clientBusyPercent = 85
/** Up to here they are idle enough to blame the storage. */
const clientIdlePercent = 60
/** Late computations that add this share to the computing time distort the result. */
export const lagPercent = 2

const percent = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} %`

/** The verdict over the measured part of training. `split` undefined: nothing was measured. `client` undefined: a record without client facts. */
export function judge(split: TimeSplit | undefined, client: RunRecord['client'] | undefined, cpuCount: number): Verdict {
  if (split === undefined) return { boundBy: 'unknown', reason: 'no training time was measured' }
  const busy = client && clientBusy(client, cpuCount)
  const known = busy === undefined ? {} : { clientBusyPercent: busy.percent }
  const waiting = `accelerators waited for data ${percent(split.waitingPercent)} of the measured time`
  const client_ = busy ? `the client's ${busy.processors} usable processors were ${percent(busy.percent)} busy` : ''

  if (split.waitingPercent <= littleWaitingPercent) {
    if (busy && busy.percent >= clientBusyPercent && split.restPercent > littleWaitingPercent)
      return {
        ...known,
        boundBy: 'client',
        reason: `${percent(split.restPercent)} of the time went to neither data nor computing, and ${client_}`,
        advice: 'emulate fewer accelerators on this host, or add hosts',
      }
    if (split.restPercent > littleWaitingPercent)
      return {
        ...known,
        boundBy: 'mixed',
        reason: `${waiting}, but ${percent(split.restPercent)} at barriers: ranks wait for the slowest one`,
        advice: 'look at the AU of the single ranks: the slowest one holds up the others',
      }
    return {
      ...known,
      boundBy: 'compute',
      reason: `${waiting} and computed ${percent(split.computingPercent)}`,
      advice: 'add accelerators (--ranks) until AU falls, to find what the storage can do',
    }
  }
  if (busy === undefined) return { boundBy: 'unknown', reason: `${waiting}; the client's CPU time is not known` }
  if (busy.percent >= clientBusyPercent)
    return {
      ...known,
      boundBy: 'client',
      reason: `${waiting} while ${client_}`,
      advice: busy.limitedByThreads
        ? 'raise reader.read_threads: processors are left, and each reader is busy copying'
        : 'emulate fewer accelerators on this host, or add hosts: the storage can deliver more than this client takes',
    }
  if (busy.percent <= clientIdlePercent)
    return {
      ...known,
      boundBy: 'storage',
      reason: `${waiting} while ${client_}`,
      advice: 'faster storage raises AU; so do more reads in flight (reader.read_threads), if the storage has parallelism left',
    }
  return {
    ...known,
    boundBy: 'mixed',
    reason: `${waiting} and ${client_}: storage and client take turns`,
    advice: 'repeat with more reader.read_threads or with fewer accelerators: what AU does then tells the two apart',
  }
}

/**
 * CPU seconds over wall seconds of the processors that could be busy: those available, but no more than there are threads that read, since a
 * single reader that copies without pause is at its limit on any machine.
 */
function clientBusy(
  client: RunRecord['client'],
  cpuCount: number,
): { percent: number; processors: number; limitedByThreads: boolean } | undefined {
  const cpus = client.cpusAvailable ?? cpuCount
  const processors = Math.min(cpus, client.threads)
  if (!(processors > 0) || !(client.wallSeconds > 0)) return undefined
  return {
    percent: Math.min(100, (100 * client.cpuSeconds) / (client.wallSeconds * processors)),
    processors,
    limitedByThreads: client.threads < cpus,
  }
}
