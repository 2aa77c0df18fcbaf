// Facts about this host, as DLIO stores them (statscounter.py: lines_to_dict, psutil, platform).
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, hostname, machine, totalmem } from 'node:os'
import type { HostRecord } from '../metrics/records.js'

/** Host facts; `cpuinfo` and `meminfo` are empty where the system has no /proc. */
export function readHost(): HostRecord {
  return {
    hostname: hostname(),
    cpuCount: cpus().length,
    processorName: machine(),
    cpuinfo: parseProc(readProc('/proc/cpuinfo')),
    meminfo: readMeminfo(),
    memoryBytes: totalmem(),
  }
}

/** /proc/meminfo as it is now; DLIO stores it again at the start of each epoch. */
export function readMeminfo(): Readonly<Record<string, string>> {
  return parseProc(readProc('/proc/meminfo'))
}

/** Processors that this process may run on, affinity respected (mpirun binds each of two ranks to one core). */
export function cpusAvailable(): number {
  return availableParallelism()
}

/** `key : value` lines as a mapping: lines with exactly one colon, later ones win (so of all processors the last), `processor` left out. */
export function parseProc(text: string): Record<string, string> {
  const facts: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [key, value, more] = line.split(':')
    if (key === undefined || value === undefined || more !== undefined || key.trim() === 'processor') continue
    facts[key.trim()] = value.trim()
  }
  return facts
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // Systems without /proc have no such facts, and their absence in the output says so.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
