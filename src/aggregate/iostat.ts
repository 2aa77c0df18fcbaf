// iostat's JSON report (`iostat -mdxtcy -o JSON`), read without trust: per second, what each disk and the processors did.
import { DataError } from '../errors.js'
import { readJson } from '../metrics/from-dlio.js'
import { mapping, number } from '../metrics/python-json.js'

export const diskColumns = ['rMB/s', 'wMB/s', 'r/s', 'w/s', 'r_await', 'w_await', 'aqu-sz'] as const
export const cpuColumns = ['user', 'system', 'iowait', 'steal', 'idle'] as const
export type DiskColumn = (typeof diskColumns)[number]
export type CpuColumn = (typeof cpuColumns)[number]

export interface IostatSample {
  /** The host's local time as if it were UTC, as DLIO's stamps are read. */
  readonly timeMs: number
  /** Percent; `nice` counts as user. */
  readonly cpu: Readonly<Record<CpuColumn, number>>
  readonly disks: ReadonlyMap<string, Readonly<Record<DiskColumn, number>>>
}

/** Reads iostat.json. Errors: StorageError where it cannot be read, DataError with the key where it is no such report. */
export function readIostat(path: string): IostatSample[] {
  const list = (value: unknown, key: string): readonly unknown[] => {
    if (!Array.isArray(value)) throw new DataError(path, `${key} must be a list`)
    return value
  }
  const report = mapping(mapping(readJson(path), path, 'the file').sysstat, path, 'sysstat')
  // Only the host of rank 0 is watched, in DLIO too.
  const host = mapping(list(report.hosts, 'sysstat.hosts')[0], path, 'sysstat.hosts[0]')
  return list(host.statistics, 'statistics').map((entry, i) => {
    const at = `statistics[${i}]`
    const item = mapping(entry, path, at)
    const cpu = mapping(item['avg-cpu'], path, `${at} avg-cpu`)
    const percent = (column: string) => number(cpu[column], path, `${at} avg-cpu.${column}`)
    const disks = list(item.disk ?? [], `${at} disk`).map((value) => {
      const disk = mapping(value, path, `${at} disk`)
      const columns = diskColumns.map((column) => [column, number(disk[column], path, `${at} disk.${column}`)] as const)
      return [String(disk.disk_device), Object.fromEntries(columns) as Record<DiskColumn, number>] as const
    })
    return {
      timeMs: timestampMs(item.timestamp, path, `${at} timestamp`),
      cpu: {
        user: percent('user') + (cpu.nice === undefined ? 0 : percent('nice')),
        system: percent('system'),
        iowait: percent('iowait'),
        steal: percent('steal'),
        idle: percent('idle'),
      },
      disks: new Map(disks),
    }
  })
}

/** `11/22/26 17:57:06` (also with four digits of a year, or AM and PM), or ISO, as the locale and S_TIME_FORMAT have it. */
function timestampMs(value: unknown, path: string, key: string): number {
  const text = typeof value === 'string' ? value : ''
  const american = /^(\d\d?)\/(\d\d?)\/(\d{2}|\d{4}) (\d\d?):(\d\d):(\d\d)(?: ([AP])M)?$/.exec(text)
  const iso = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)/.exec(text)
  if (american !== null) {
    const [month, day, year, hour, minute, second] = american.slice(1, 7).map(Number) as [number, number, number, number, number, number]
    const half = american[7]
    const hours = half === undefined ? hour : (hour % 12) + (half === 'P' ? 12 : 0)
    return Date.UTC(year < 100 ? 2000 + year : year, month - 1, day, hours, minute, second)
  }
  if (iso !== null) {
    const [year, month, day, hour, minute, second] = iso.slice(1).map(Number) as [number, number, number, number, number, number]
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }
  throw new DataError(path, `${key} must be a time such as 11/22/26 17:57:06, not ${JSON.stringify(value)}`)
}
