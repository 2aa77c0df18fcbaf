// Noticing that a process of the job has died, beside what the launcher does: each process looks after the next one of its own host, so that
// the work does not grow with the number of processes and every dead one has a living neighbour before it.
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** How often the neighbour is looked at. Launchers give survivors about a second. */
const watchMs = 200

/** A process as others of its host can find it. */
export interface Identity {
  readonly host: string
  readonly pid: number
  /** Of its numbers of processes; empty where the system has none. */
  readonly pidNamespace: string
  /** When it started, in the system's ticks: numbers of processes are used again. Empty where the system does not tell. */
  readonly startTicks: string
}

/** What tells this process from all others, also from a later one with its number. */
export function ownIdentity(): Identity {
  return {
    host: hostname(),
    pid: process.pid,
    pidNamespace: unlessAbsent(() => readlinkSync('/proc/self/ns/pid')) ?? '',
    startTicks: processStatus(process.pid)?.startTicks ?? '',
  }
}

/** Whether the process still runs; one that has ended and that nobody has asked about (a zombie) does not. */
export function isAlive(identity: Identity): boolean {
  if (identity.startTicks === '') return answersSignals(identity.pid)
  const status = processStatus(identity.pid)
  return status !== undefined && status.startTicks === identity.startTicks && status.state !== 'Z' && status.state !== 'X'
}

/** The next process of the same host, cyclically; undefined where there is none. */
export function neighbourOf(process: number, identities: readonly Identity[]): number | undefined {
  const own = identities[process]!
  for (let step = 1; step < identities.length; step++) {
    const other = (process + step) % identities.length
    const { host, pidNamespace } = identities[other]!
    if (host === own.host && pidNamespace === own.pidNamespace) return other
  }
  return undefined
}

/** Calls `died` once when the process has ended. Returns what stops the watch. */
export function watch(identity: Identity, died: () => void): () => void {
  const timer = setInterval(() => {
    if (isAlive(identity)) return
    clearInterval(timer)
    died()
  }, watchMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Linux: /proc/PID/stat, whose second field (the name, in parentheses) may hold anything. */
function processStatus(pid: number): { state: string; startTicks: string } | undefined {
  const text = unlessAbsent(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields?.[0], fields?.[19]]
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks }
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // EPERM: it is there and somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function unlessAbsent<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    // ESRCH: it ended while it was looked at.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
