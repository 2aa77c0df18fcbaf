// DLIO's files made from what recorded runs hold, against the recorded files themselves.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parsePythonJson } from '#src/metrics/python-json.js'
import { summarize } from '#src/metrics/summary.js'
import {
  type DlioFilesInput,
  perEpochStatsJson,
  rankOutputJson,
  summaryJson,
  writeRankFiles,
  writeSummaryFile,
} from '#src/output/dlio-files.js'
import { type RecordedRun, recordedRuns } from '../metrics/recorded-runs.js'
import { epochOf, inputOf, settings, stepsOf } from '../metrics/samples.js'

// Recorded stamps have no zone and are read as UTC.
process.env.TZ = 'UTC'

const runs = recordedRuns()
const recordedText = (run: RecordedRun, name: string) => readFileSync(join(run.out, name), 'utf8')

function filesInput(run: RecordedRun): DlioFilesInput {
  return {
    record: run.input,
    summary: summarize(run.input, run.settings, run.exactFormula),
    workload: run.workload,
    world: { ranks: run.ranks, hosts: run.stored.num_hosts as number },
  }
}

/** One line per value: where it stands and of which Python type it is, in the order of the file. */
function shape(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/-?\d+\.\d+(e[-+]\d+)?(?=,?$)|-?\d+e[-+]\d+(?=,?$)/, 'FLOAT').replace(/(: |^ *)-?\d+(?=,?$)/, '$1INT'))
}

/** Lines with their texts, but numbers within a relative 1e-9. */
function assertSameText(actual: string, expected: string, name: string): void {
  const [ours, theirs] = [actual.split('\n'), expected.split('\n')]
  assert.deepEqual(shape(actual), shape(expected), name)
  theirs.forEach((line, i) => {
    if (ours[i] === line) return
    const numbers = [ours[i]!, line].map((text) => Number(/(?:: |^ *)(\S+?),?$/.exec(text)?.[1]))
    assert.ok(Math.abs(numbers[0]! - numbers[1]!) <= 1e-9 * Math.abs(numbers[1]!), `${name} line ${i + 1}: ${ours[i]} instead of ${line}`)
  })
}

for (const run of runs) {
  test(`per-epoch statistics of ${run.id} equal the recorded files`, () => {
    for (const rank of run.input.ranks)
      assertSameText(
        perEpochStatsJson(rank, run.settings.trains),
        recordedText(run, `${rank.rank}_per_epoch_stats.json`),
        `rank ${rank.rank}`,
      )
  })

  test(`rank outputs of ${run.id} have the recorded keys, order and types, and times within 1e-9`, () => {
    const input = filesInput(run)
    for (const rank of run.input.ranks) {
      const name = `${rank.rank}_output.json`
      const expected = recordedText(run, name)
      const actual = rankOutputJson({ ...input, record: { ...input.record, hosts: [run.hostsOfRanks[rank.rank]!] } }, rank)
      assert.deepEqual(shape(actual), shape(expected), name)
      // AU and throughput are recomputed from stamps, which are less precise than what they were computed from.
      const withoutFigures = (text: string) => text.replace(/"(throughput|au)": \{[^}]*\}/g, '"$1": {}')
      assertSameText(withoutFigures(actual), withoutFigures(expected), name)
    }
  })

  test(`the summary of ${run.id} has the recorded keys, order and types, and the same facts`, () => {
    const expected = recordedText(run, 'summary.json')
    const actual = summaryJson(filesInput(run))
    const cut = (text: string) => {
      const begin = text.indexOf('"metric"')
      return { head: text.slice(0, begin), tail: text.slice(text.indexOf('"num_files_train"')) }
    }
    assert.deepEqual(
      shape(actual).filter((line) => !isRankZeroFact(line)),
      shape(expected).filter((line) => !isRankZeroFact(line)),
    )
    const [ours, theirs] = [cut(actual), cut(expected)]
    assertSameText(ours.head, theirs.head, 'head')
    const facts = (text: string) =>
      text
        .split('\n')
        .filter((line) => !isRankZeroFact(line))
        .join('\n')
    assertSameText(facts(ours.tail), facts(theirs.tail), 'tail')
  })
}

/** /proc values that DLIO reads twice, once for the summary and once for the rank's output. */
function isRankZeroFact(line: string): boolean {
  return /kB",?$/.test(line) || line.includes('cpu MHz')
}

test('what was not measured is absent from the files, and nothing in them is NaN', () => {
  const record = inputOf([[epochOf(1, [stepsOf(0, 2, [2], [0.5])])]], 1)
  const summary = summarize(record, settings)
  const input = { ...filesInput(runs[0]!), record, summary, world: { ranks: 1, hosts: 1 } }
  const output = parsePythonJson(rankOutputJson(input, record.ranks[0]!), 'output') as Record<string, Record<string, unknown>>
  assert.deepEqual(output['1']!.au, {})
  assert.equal('host_meminfo' in output['1']!, false)
  assert.deepEqual((JSON.parse(summaryJson(input)) as { metric: unknown }).metric, {})
})

test('all ranks’ files and the summary are written whole, and no temporary file stays', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dlio-files-'))
  try {
    const run = runs.find(({ ranks }) => ranks === 2)!
    const input = filesInput(run)
    writeRankFiles(folder, input)
    assert.deepEqual(readdirSync(folder).sort(), ['0_output.json', '0_per_epoch_stats.json', '1_output.json', '1_per_epoch_stats.json'])
    writeSummaryFile(folder, input)
    assert.equal(readFileSync(join(folder, 'summary.json'), 'utf8'), summaryJson(input))
    assert.equal(readdirSync(folder).length, 5)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a rank that knows only its own host takes its facts from there, and rank 0 with all hosts from the rank’s place', () => {
  const record = inputOf([[], [], [], []], 0)
  const [first, second] = [record.hosts[0]!, { ...record.hosts[0]!, hostname: 'host1', memoryBytes: 2 ** 30 }]
  const base = { ...filesInput(runs[0]!), world: { ranks: 4, hosts: 2 } }
  const hostOf = (hosts: readonly (typeof first)[], rank: number) => {
    const text = rankOutputJson({ ...base, record: { ...record, hosts } }, record.ranks[rank]!)
    return (JSON.parse(text) as { hostname: string }).hostname
  }
  assert.equal(hostOf([second], 3), 'host1')
  assert.deepEqual(
    [0, 1, 2, 3].map((rank) => hostOf([first, second], rank)),
    ['host0', 'host0', 'host1', 'host1'],
  )
  const summary = JSON.parse(summaryJson({ ...base, record: { ...record, hosts: [first, second] } })) as Record<string, unknown>
  assert.deepEqual(summary.host_memory_GB, [8, 1])
  assert.deepEqual(summary.host_cpu_count, [4, 4])
})
