// What the table at the end of a run says of object storage: requests, how soon they were answered, what was sent again.
import type { LatencySummary } from '../metrics/records.js'
import type { EndpointRecord } from '../storage/object/meter.js'
import type { ObjectsRecord } from '../storage/object/record.js'
import { decimalBytes, grouped, printable, shortDuration } from './text.js'

/** More endpoints than that are not told one by one. */
const mostEndpoints = 8

/** One row for each endpoint, and one of all other requests and the retries. */
export function objectsRows({
  endpoints,
  requests,
  retries,
}: Pick<ObjectsRecord, 'endpoints' | 'requests' | 'retries'>): [string, string][] {
  const rows = endpoints.slice(0, mostEndpoints).map((endpoint): [string, string] => ['GETs', endpointText(endpoint)])
  const more = endpoints.length - rows.length
  if (more > 0) rows.push(['', `and ${more} more endpoints, in result.json`])
  const reading = endpoints.reduce((sum, endpoint) => sum + endpoint.requests, 0)
  const others = Object.entries({ ...requests, get: requests.get - reading }).filter(([, count]) => count > 0)
  const asked = others.map(([kind, count]) => `${grouped(count)} ${kind.toUpperCase()}`).join(', ')
  rows.push(['Other requests', `${asked === '' ? 'none' : asked}; ${retriesText(retries)}`])
  return rows
}

/** `no retries`, or how many for which cause. */
export function retriesText(retries: ObjectsRecord['retries']): string {
  const causes = Object.entries(retries).map(([cause, count]) => `${grouped(count)} ${cause}`)
  return causes.length === 0 ? 'no retries' : `retries: ${causes.join(', ')}`
}

function endpointText({ endpoint, requests, bytes, failures, firstByteUs, totalUs }: EndpointRecord): string {
  const failed = failures > 0 ? `, ${grouped(failures)} failed` : ''
  const times = [timesText('first byte', firstByteUs), timesText('whole', totalUs)].filter((text) => text !== '')
  return `${grouped(requests)} of ${decimalBytes(bytes)} from ${printable(endpoint)}${failed}${times.map((text) => `; ${text}`).join('')}`
}

function timesText(what: string, times: LatencySummary | undefined): string {
  if (times === undefined) return ''
  const time = (us: number) => shortDuration(us / 1e6)
  return `${what} p50 ${time(times.p50Us)}, p99 ${time(times.p99Us)}`
}
