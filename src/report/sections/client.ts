// What the client itself cost: CPU, memory, how exactly it kept its time.
import { bytes, memory, milliseconds, none, percent, plain, seconds } from '../format.js'
import { type Fact, runTable, type Section } from '../parts.js'
import type { ReportRun } from '../runs.js'

/** Undefined where no run of this program is among them: DLIO records nothing of itself. */
export function clientSection(runs: readonly ReportRun[]): Section | undefined {
  const body = runTable(runs, facts)
  return body && { id: 'client', title: 'Client and reads', body }
}

const quantity = ({ measured }: ReportRun, key: string) => measured.quantities.find((one) => one.key === key)?.value

const facts: Fact<ReportRun>[] = [
  ['CPU time', ({ result }) => result && seconds(result.client.cpuSeconds)],
  ['Wall time', ({ result }) => result && seconds(result.client.wallSeconds)],
  ['Usable processors busy', ({ result }) => result && percent(result.verdict.clientBusyPercent)],
  ['CPU time a sample', (run) => milliseconds(scaled(quantity(run, 'client.cpuUsPerSample'), 1e-3))],
  ['CPU time a GB', (run) => seconds(quantity(run, 'client.cpuSecondsPerGB'))],
  ['Memory, largest', ({ result }) => result && memory(result.client.maxRssBytes)],
  ['Threads', ({ result }) => result && plain(result.client.threads)],
  ['Processors that it may use', ({ result }) => result && plain(result.client.cpusAvailable)],
  ['Computations late, mean', ({ result }) => result && milliseconds(result.client.computeLagMeanMs)],
  ['Computations late, worst', ({ result }) => result && milliseconds(result.client.computeLagMaxMs)],
  ['Start to first sample', ({ result }) => result && seconds(result.client.firstSampleSeconds)],
  ['Samples read', ({ result }) => result && plain(result.io.samplesRead)],
  ['Bytes asked of the storage', ({ result }) => result && bytes(result.io.bytesAsked)],
  ['Read calls', ({ result }) => result && plain(result.io.readCalls)],
  ['Files opened', ({ result }) => result && plain(result.io.filesOpened)],
  ['Retries', ({ result }) => result && plain(result.io.retries)],
  ['Most reads in flight', ({ result }) => result && plain(result.io.readsInFlight)],
  [
    'Size of a read request',
    ({ result }) => (result && !result.objects && result.io.requestBytes > 0 ? memory(result.io.requestBytes) : undefined),
  ],
  ['Page cache', ({ result }) => result && (result.objects ? none : result.io.direct ? 'bypassed (O_DIRECT)' : 'used')],
  ['Asked for one sample', ({ result }) => result?.io.readExtent && (extents.get(result.io.readExtent) ?? result.io.readExtent)],
]

const extents: ReadonlyMap<string, string> = new Map([
  ['file', 'the whole file'],
  ['upstream', 'what upstream DLIO asks for'],
  ['sample', 'the sample'],
])

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor
}
