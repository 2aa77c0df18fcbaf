// What ran, where and how: what a reader needs to repeat a run, or to doubt it.
import { binaryBytes, grouped } from '../../output/text.js'
import { bytes, plain } from '../format.js'
import { commandText, html, type Markup } from '../markup.js'
import { type Fact, runTable, type Section } from '../parts.js'
import type { ReportRun } from '../runs.js'

/** More hosts are counted only. */
const mostHosts = 32

export function detailsSection(runs: readonly ReportRun[]): Section {
  return { id: 'details', title: 'What ran', body: runTable(runs, facts, 'text') ?? html`` }
}

const code = (text: string) => html`<code>${text}</code>`

const facts: Fact<ReportRun>[] = [
  ['Workload', ({ name }) => html`<bdi>${name}</bdi>`],
  ['Workload file', ({ result }) => result && code(result.workload.path)],
  [
    'Configuration taken from',
    ({ result, job }) => (result || !job?.facts?.sources.length ? undefined : code(job.facts.sources.join(', '))),
  ],
  ['Program', ({ result, program }) => (result ? `${result.tool.name} ${result.tool.version} on Node ${result.tool.node}` : program)],
  ['Command', ({ result }) => result && code(commandText(result.command))],
  ['Began', (run) => stamp(run, 'begin')],
  ['Ended', (run) => stamp(run, 'end')],
  ['Framework', ({ result }) => result && html`${result.framework.name} <span class="none">(${result.framework.reason})</span>`],
  ['Framework profile', ({ result }) => result?.profile?.framework],
  ['Replayed', ({ result }) => result && `${result.semantics} DLIO`],
  ['Honoured at their word', ({ result }) => result?.honoured?.join(', ')],
  ['Ranks (accelerators)', ({ result, job }) => plain(result?.world.ranks ?? job?.ranks.length)],
  ['Hosts', hosts],
  ['Data format', ({ result, measured }) => result?.workload.format ?? textOf(measured.work['dataset.format'])],
  ['Data folder', ({ result }) => result && code(result.workload.folder)],
  ['Batch size', ({ figures }) => plain(figures.settings.batchSize)],
  ['Size of a sample', ({ figures }) => bytes(figures.settings.recordBytes)],
  ['Steps left out of AU', ({ figures: { settings } }) => `first ${settings.excludeStartSteps}, last ${settings.excludeEndSteps}`],
  ['Stored numbers', checked],
  ['Configuration digest', ({ result }) => result && code(result.configDigest)],
  ['Order digest', ({ result }) => (result?.orderDigest === undefined ? undefined : code(result.orderDigest))],
  ['Results', ({ folders }) => code(folders.join(', '))],
]

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function hosts({ result, job }: ReportRun): Markup | undefined {
  const all =
    result?.hosts ??
    job?.input.hosts.map(({ cpuinfo, ...host }) => ({ ...host, ...(cpuinfo['model name'] ? { cpuModel: cpuinfo['model name'] } : {}) }))
  if (all === undefined || all.length === 0) return undefined
  const lines = all.slice(0, mostHosts).map(({ hostname, cpuCount, cpuModel, memoryBytes }) => {
    const facts = [
      ...(cpuCount > 0 ? [`${grouped(cpuCount)} processors${cpuModel === undefined ? '' : ` (${cpuModel})`}`] : []),
      ...(memoryBytes > 0 ? [`${binaryBytes(memoryBytes)} of memory`] : []),
    ]
    return html`<div><bdi>${hostname || 'unnamed'}</bdi>${facts.length > 0 && `: ${facts.join(', ')}`}</div>`
  })
  return html`${lines}${all.length > mostHosts && html`<div>and ${grouped(all.length - mostHosts)} more</div>`}`
}

/** `2026-11-22 20:53:20 +00:00`; DLIO's stamps have no zone. */
export function stamp({ result, job }: ReportRun, which: 'begin' | 'end'): string | undefined {
  const stored = which === 'begin' ? result?.startedAt : result?.endedAt
  if (stored !== undefined) return stored.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?([+-]\d\d:\d\d)$/, '$1 $2 $3')
  const ms = which === 'begin' ? job?.input.beginMs : job?.input.endMs
  return ms === undefined ? undefined : `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} (the host’s local time)`
}

function checked({ recomputed }: ReportRun): string | undefined {
  if (recomputed === undefined || recomputed.comparedNumbers === 0) return undefined
  const { comparedNumbers, differences, formula } = recomputed
  const rule = formula === 'default' ? '' : ` by the arithmetic ${formula}`
  if (differences.length === 0) return `all ${grouped(comparedNumbers)} follow from the recorded steps${rule}`
  return `${grouped(differences.length)} of ${grouped(comparedNumbers)} do not follow from the recorded steps${rule}`
}
