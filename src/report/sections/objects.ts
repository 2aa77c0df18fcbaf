// Object storage: what each endpoint answered and how fast, retries by cause, attempts.
import type { LatencySummary } from '../../metrics/records.js'
import type { ObjectsRecord } from '../../storage/object/record.js'
import type { Series } from '../charts.js'
import { mergedDistribution } from '../distributions.js'
import { bytes, plain } from '../format.js'
import { histogramChart } from '../histogram-chart.js'
import { html, type Markup } from '../markup.js'
import { type Fact, figure, figures, having, key, runName, runTable, type Section, table } from '../parts.js'
import type { ReportRun } from '../runs.js'
import { percentileTable } from './latency.js'

type WithObjects = { run: ReportRun; index: number; value: ObjectsRecord }

/** More endpoints than that are one line together. */
const mostEndpoints = 64
/** More curves than that cannot be told apart. */
const mostCurves = 8
const mostCauses = 64

const times = [
  ['firstByteUs', 'Time to first byte', 'From each request to the end of the response’s head.'],
  ['totalUs', 'Whole request', 'From each request to the end of its body.'],
] as const

/** Undefined where no run has read objects. */
export function objectsSection(runs: readonly ReportRun[]): Section | undefined {
  const found = having(runs, ({ result }) => result?.objects)
  if (found.length === 0) return undefined
  return {
    id: 'objects',
    title: 'Object storage',
    body: html`${figures(...times.map(([time, title, note]) => histogram(runs, found, time, title, note)))}
<h3>Endpoints</h3>
${endpointTable(runs, found)}
${percentileTable(
  times.flatMap(([time, title]) =>
    endpointsOf(found).flatMap(({ run, index, endpoint }) => {
      const summary = endpoint[time]
      return summary
        ? [[html`${title}, <bdi>${endpoint.endpoint}</bdi>${runs.length > 1 && html` ${runName(run, index)}`}`, summary] as const]
        : []
    }),
  ),
)}
<h3>Requests, retries and attempts</h3>
${runTable(
  found.map(({ run }) => run),
  countFacts(found.map(({ value }) => value)),
)}`,
  }
}

/** One curve an endpoint of a single run, or one curve a run. */
function histogram(
  runs: readonly ReportRun[],
  found: readonly WithObjects[],
  time: 'firstByteUs' | 'totalUs',
  title: string,
  note: string,
): Markup {
  const summaries = ({ endpoints }: ObjectsRecord) => endpoints.flatMap((endpoint) => endpoint[time] ?? [])
  const [only] = found
  const curves: (Series<LatencySummary> & { key: Markup })[] =
    runs.length === 1 && only && summaries(only.value).length <= mostCurves
      ? only.value.endpoints.flatMap((endpoint, index) => {
          const value = endpoint[time]
          return value ? [{ index, value, key: key(endpoint.endpoint, index) }] : []
        })
      : found.flatMap(({ run, index, value: objects }) => {
          const value = mergedDistribution(summaries(objects))
          return value ? [{ index, value, key: runName(run, index) }] : []
        })
  return figure(title, histogramChart(curves, `Histogram: ${title}`), { note, keys: curves.map((curve) => curve.key) })
}

function endpointsOf(found: readonly WithObjects[]) {
  return found.flatMap(({ run, index, value }) => value.endpoints.slice(0, mostEndpoints).map((endpoint) => ({ run, index, endpoint })))
}

function endpointTable(runs: readonly ReportRun[], found: readonly WithObjects[]): Markup {
  const most = Math.max(...found.map(({ value }) => value.endpoints.length))
  const rows = endpointsOf(found).map(({ run, index, endpoint }) => [
    html`<bdi>${endpoint.endpoint}</bdi>${runs.length > 1 && html` ${runName(run, index)}`}`,
    plain(endpoint.requests),
    bytes(endpoint.bytes),
    plain(endpoint.failures),
  ])
  return html`${table(['', 'requests', 'bytes', 'failures'], rows)}${
    most > mostEndpoints && html`<p class="note">The first ${mostEndpoints} of ${most} endpoints; result.json has all.</p>`
  }`
}

function countFacts(all: readonly ObjectsRecord[]): Fact<ReportRun>[] {
  const names = (of: (objects: ObjectsRecord) => object) =>
    [...new Set(all.flatMap((objects) => Object.keys(of(objects))))].slice(0, mostCauses)
  const count = (of: (objects: ObjectsRecord) => Readonly<Record<string, number>>, name: string, absent?: number) => (run: ReportRun) => {
    const objects = run.result?.objects
    if (objects === undefined) return undefined
    const value = Object.hasOwn(of(objects), name) ? of(objects)[name] : absent
    return value === undefined ? undefined : plain(value)
  }
  const retries = ({ retries: causes }: ObjectsRecord) => causes as Readonly<Record<string, number>>
  const requests = ({ requests: kinds }: ObjectsRecord) => kinds as unknown as Readonly<Record<string, number>>
  const longest = Math.min(mostCauses, Math.max(...all.map(({ attempts }) => attempts.length)))
  return [
    ['Data folder', ({ result }) => result?.objects && html`<code>${result.objects.uri}</code>`],
    ['Read in', ({ result }) => result?.objects && readIn(result.objects)],
    ...names(requests).map((name): Fact<ReportRun> => [`Requests: ${name.toUpperCase()}`, count(requests, name)]),
    ['Retries', ({ result }) => result?.objects && plain(Object.values(retries(result.objects)).reduce((sum, one) => sum + one, 0))],
    // A cause that did not occur in one run is 0 there: all causes are counted.
    ...names(retries).map((name): Fact<ReportRun> => [`Retries: ${causeWords(name)}`, count(retries, name, 0)]),
    ...Array.from({ length: longest }, (_, i): Fact<ReportRun> => {
      const title = i === 0 ? 'Ranges that took 1 attempt' : `Ranges that took ${i + 1} attempts`
      return [title, ({ result }) => result?.objects && plain(result.objects.attempts[i] ?? 0)]
    }),
  ]
}

/** `shortBody` as `short body`. */
function causeWords(cause: string): string {
  return cause.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function readIn({ options: { partBytes, partsInFlight } }: ObjectsRecord): Markup | string {
  if (partBytes === null) return 'one GET an object'
  return html`ranged GETs of ${bytes(partBytes)}, ${plain(partsInFlight)} at once for each reader`
}
