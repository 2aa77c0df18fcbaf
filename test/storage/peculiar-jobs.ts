// Jobs as anybody would run them against servers of peculiar-s3.ts.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Result } from '#src/output/result.js'
import { connect, resolveTarget } from '#src/storage/object/connect.js'
import type { ObjectControl } from '#src/storage/object/types.js'
import { isObjectLocation, parseLocation } from '#src/storage/uri.js'
import { driver, type Outcome, scratchFolder, workloadFile } from '../cli/driver.js'
import type { PeculiarS3 } from './peculiar-s3.js'

const folder = scratchFolder('peculiar-jobs')
let runs = 0

/** Nothing of whoever runs the tests, and no region: only what anybody would set. */
export const environment = ({ endpoint }: PeculiarS3): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.keys(process.env).flatMap((name) => (/^(AWS_(?!SDK)|S3_|https?_proxy$)/i.test(name) ? [[name, '']] : []))),
  AWS_ENDPOINT_URL: endpoint,
  AWS_ACCESS_KEY_ID: 'AKIDTEST',
  AWS_SECRET_ACCESS_KEY: 'secret-0123456789',
})

export interface Work {
  readonly options?: object
  readonly dataset?: object
  readonly workflow?: object
  /** Other sections of the configuration. */
  readonly sections?: object
  readonly args?: readonly string[]
  readonly generates?: boolean
}

const workload = ({ options, dataset, generates, workflow, sections }: Work) => ({
  framework: 'pytorch',
  workflow: { generate_data: generates === true, train: true, ...workflow },
  ...(options === undefined ? {} : { storage: { storage_options: options } }),
  dataset: {
    data_folder: 's3://bucket/data',
    format: 'npz',
    num_files_train: 5,
    num_samples_per_file: 2,
    record_length_bytes: 4096,
    ...dataset,
  },
  reader: { batch_size: 1, read_threads: 2 },
  train: { epochs: 1, computation_time: 0 },
  ...sections,
})

/** Path of a configuration file. */
export const configured = (work: Work): string => workloadFile(folder, workload(work), `w${runs++}.yaml`)

export const run = (server: PeculiarS3, work: Work): Promise<Outcome> =>
  driver(['run', configured(work), '--output', outputFolder(), '--json', '--quiet', '--verify', ...(work.args ?? [])], {
    env: environment(server),
  })

/** Where the run that was started last writes to. */
export const outputFolder = (): string => join(folder, `out-${runs}`)

export async function generate(server: PeculiarS3, work: Work): Promise<void> {
  const made = await driver(['generate', configured(work), '--quiet'], { env: environment(server) })
  assert.equal(made.code, 0, made.stderr)
}

/** Generates and runs; the result of the run. */
export async function works(server: PeculiarS3, work: Work = {}): Promise<Result> {
  const ran = await run(server, { ...work, generates: true })
  assert.equal(ran.code, 0, ran.stderr)
  return JSON.parse(ran.stdout) as Result
}

/** Small parts of one object after the other, which need its ETag, its size and ranges. */
export const inParts = { part_size: 65_536, parts_in_flight: 3 }
export const large = { record_length_bytes: 100_000, num_files_train: 2 }

/** The control plane of the server's bucket. */
export const open = (server: PeculiarS3, options: object = {}): Promise<ObjectControl> => {
  const location = parseLocation('s3://bucket/data')
  assert.ok(isObjectLocation(location))
  return connect(
    resolveTarget(location, { endpoint_url: server.endpoint, access_key_id: 'A', secret_access_key: 'secret', ...options }, {}),
  )
}
