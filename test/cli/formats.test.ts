// Every format beside NPZ, HDF5 and TFRecord from end to end, under both semantics: what plan announces is what generate writes, what inspect
// sees in it is what the configuration says, and runs ask the storage for as many bytes as DLIO's reader of that format does.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const semanticsNames = ['mlcommons', 'upstream'] as const
type Semantics = (typeof semanticsNames)[number]

const files = 4
const samplesPerFile = 2
/** 70 × 70 elements: `record_length_bytes` counts elements, and the square root of 4,950 is cut off. */
const side = 70
const pixels = side * side
const indexBytes = 2 * 8 * samplesPerFile
const npyHeaderBytes = 128

interface Expectation {
  readonly format: string
  readonly elementType?: string
  readonly elementBytes?: number
  /** Samples that inspect finds in a file. */
  readonly held?: number
  /** Shape and type of a sample, as inspect says them. */
  readonly shape: (semantics: Semantics) => { readonly shape: readonly number[]; readonly dtype: string } | undefined
  /** Bytes of the data file, where they are known without its content. */
  readonly fileBytes?: (semantics: Semantics) => number | undefined
  /** Bytes that one reader asks for in one epoch, of one file of `size` bytes at `path`. */
  readonly asked: (semantics: Semantics, size: number, path: string) => number
}

/** Once for each sample, the whole file. */
const wholeFile = (_: Semantics, size: number) => samplesPerFile * size

const image = (format: string): Expectation => ({
  format,
  held: 1,
  shape: (semantics) => ({ shape: semantics === 'mlcommons' ? [pixels] : [side, side], dtype: '|u1' }),
  fileBytes: (semantics) => (semantics === 'mlcommons' ? pixels : undefined),
  asked: wholeFile,
})

const expectations: readonly Expectation[] = [
  {
    format: 'npy',
    elementType: 'float32',
    elementBytes: 4,
    shape: () => ({ shape: [side, side], dtype: '<f4' }),
    fileBytes: () => npyHeaderBytes + samplesPerFile * 4 * pixels,
    // np.load: a page, the header, and the file from its beginning.
    asked: (semantics, size) => wholeFile(semantics, size + (semantics === 'upstream' ? 4096 + npyHeaderBytes : 0)),
  },
  { format: 'csv', shape: () => ({ shape: [pixels], dtype: '<i8' }), asked: wholeFile },
  image('jpeg'),
  image('png'),
  {
    format: 'indexed_binary',
    elementType: 'int16',
    elementBytes: 2,
    shape: () => ({ shape: [2 * pixels], dtype: '|u1' }),
    fileBytes: () => samplesPerFile * 2 * pixels,
    asked: () => indexBytes + samplesPerFile * 2 * pixels,
  },
  {
    format: 'mmap_indexed_binary',
    shape: () => ({ shape: [pixels], dtype: '|u1' }),
    fileBytes: () => samplesPerFile * pixels,
    asked: () => indexBytes,
  },
  { format: 'synthetic', held: 0, shape: () => undefined, fileBytes: () => 1, asked: () => 0 },
  {
    format: 'parquet',
    shape: () => ({ shape: [pixels], dtype: '|u1' }),
    // The footer is looked for in the last 64 KiB, which is more than the file; then both rows come at once, without magics and footer.
    asked: (_, size, path) => size + size - 12 - readFileSync(path).readUInt32LE(size - 8),
  },
]

function workload(data: string, { format, elementType = 'uint8' }: Expectation): object {
  return {
    framework: 'pytorch',
    workflow: { train: true },
    dataset: {
      data_folder: data,
      format,
      num_files_train: files,
      num_files_eval: 1,
      num_samples_per_file: samplesPerFile,
      record_length_bytes: 4950,
      record_element_type: elementType,
    },
    reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1 },
    train: { epochs: 1, computation_time: 0 },
  }
}

const lines = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)

async function succeeds(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await driver(args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

describe('formats from end to end', { concurrency: 2 }, () => {
  for (const expectation of expectations)
    for (const semantics of semanticsNames) {
      const { format } = expectation
      if (format === 'parquet' && semantics === 'upstream') continue
      test(`${format} is generated as planned, inspected, read, verified and found damaged (${semantics})`, async () => {
        const scratch = scratchFolder(`formats-${format}`)
        const data = join(scratch, 'data')
        const config = workloadFile(scratch, workload(data, expectation))
        const choice = ['--semantics', semantics]

        const planned = lines<{ file: string; dims: number[]; sizeBytes: number | null }>(
          await succeeds(['plan', config, '--dims', ...choice]),
        )
        await succeeds(['generate', config, '-q', ...choice])
        assert.equal(planned.length, files + 1)
        const made = (readdirSync(data, { recursive: true }) as string[]).filter((name) => name.endsWith(`.${format}`))
        assert.deepEqual(made.sort(), planned.map(({ file }) => file).sort())
        for (const { file, dims, sizeBytes } of planned) {
          assert.deepEqual(dims, [side, side])
          const { size } = statSync(join(data, file))
          if (sizeBytes !== null) assert.equal(size, sizeBytes, file)
          const wanted = expectation.fileBytes?.(semantics)
          if (wanted !== undefined) assert.equal(size, wanted, file)
        }

        const paths = made.filter((name) => name.startsWith('train/')).map((name) => join(data, name))
        const inspected = lines<{ format: string; samples: Record<string, unknown>[] }>(await succeeds(['inspect', '--json', ...paths]))
        const hashes = new Set<unknown>()
        for (const line of inspected) {
          assert.equal(line.format, format)
          assert.equal(line.samples.length, expectation.held ?? samplesPerFile)
          for (const sample of line.samples) {
            const { shape, dtype, sha256 } = (format === 'parquet' ? sample.data : sample) as Record<string, unknown>
            assert.deepEqual({ shape, dtype }, expectation.shape(semantics))
            hashes.add(sha256)
          }
        }
        // Upstream's generator of CSV repeats one record in each file.
        const distinct = format === 'csv' && semantics === 'upstream' ? 1 : (expectation.held ?? samplesPerFile)
        assert.equal(hashes.size, files * distinct, 'samples have content of their own')

        const wanted = paths.map((path) => expectation.asked(semantics, statSync(path).size, path)).reduce((a, b) => a + b)
        const run = ['run', config, '-q', '--json', '--output', join(scratch, 'out'), ...choice]
        const cached = JSON.parse(await succeeds(run)) as Result
        assert.equal(cached.train?.samples, files * samplesPerFile)
        assert.equal(cached.io.bytesAsked, wanted)
        // O_DIRECT asks for whole blocks, which costs something where reads begin within a file.
        const { io } = JSON.parse(await succeeds([...run, '--direct', '--verify'])) as Result
        assert.ok(io.direct && io.bytesAsked >= wanted && io.bytesAsked <= wanted + io.readCalls * 8192, JSON.stringify(io))

        // Damage is the formats' own, whoever wrote the file.
        if (semantics === 'upstream') return
        const cut = paths[1]!
        truncateSync(cut, Math.floor(statSync(cut).size / 2))
        const { code, stdout, stderr } = await driver([...run, '--verify'])
        assert.equal(code, 1, stderr)
        assert.equal(stdout, '')
        assert.match(stderr, new RegExp(`img_1_of_${files}\\.${format}`), 'the error names the file')
      })
    }

  for (const [name, format] of Object.entries({ dlrm: 'indexed_binary', megatron_deepspeed_LLNL: 'mmap_indexed_binary' }))
    test(`the bundled workload ${name} runs on a small ${format} data set`, async () => {
      const scratch = scratchFolder(`formats-${name}`)
      const overrides = Object.entries({
        'dataset.data_folder': join(scratch, 'data'),
        'dataset.num_samples_per_file': 32,
        'dataset.record_length_bytes': 2048,
        'train.computation_time': 0,
        'train.epochs': 1,
        'train.total_training_steps': -1,
        'workflow.checkpoint': false,
      }).map(([key, value]) => `++workload.${key}=${value}`)
      const run = ['run', name, '--generate', '--verify', '-q', '--json', '--output', join(scratch, 'out'), ...overrides]
      const { train, io } = JSON.parse(await succeeds(run)) as Result
      assert.deepEqual([train?.samples, io.samplesRead], [32, 32])
      assert.deepEqual(
        readdirSync(join(scratch, 'data', 'train')).filter((file) => file.endsWith(format)),
        [`img_0_of_1.${format}`],
      )
    })

  test('parquet with upstream semantics, which has no such format, is refused before anything is touched', async () => {
    const scratch = scratchFolder('formats-parquet')
    const config = workloadFile(scratch, workload(join(scratch, 'data'), { format: 'parquet', shape: () => undefined, asked: () => 0 }))
    for (const command of ['generate', 'run', 'plan']) {
      const { code, stderr } = await driver([command, config, '--semantics', 'upstream'])
      assert.equal(code, 2)
      assert.match(stderr, /MLCommons/)
    }
    assert.deepEqual(readdirSync(scratch), ['workload.yaml'])
  })
})
