// Uploads: `dl-driver generate` to an S3 endpoint against boto3's multi-part tool with the same bytes, by CPU seconds of the client and by time
// (start-up included, generating too). The server is a sink of our own, which keeps sizes and no bytes. boto3 reads its bytes from files in memory.
// Needs a Python with boto3, made under `.cache/objects-python` (BENCH_PYTHON: use this one).
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { driver, generate, node, objectsPython, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

const recordBytes = 24 << 20
const partBytes = 8 << 20
/** What boto3 uploads, several times each, lies in memory. */
const distinct = 4
const objects = 32
const keys = { AWS_ACCESS_KEY_ID: 'benchmark', AWS_SECRET_ACCESS_KEY: 'benchmark', AWS_REGION: 'us-east-1' }

const upload = `
import boto3, json, os, sys
from boto3.s3.transfer import TransferConfig
job = json.load(sys.stdin)
s3 = boto3.client("s3", endpoint_url=job["endpoint"])
config = TransferConfig(multipart_threshold=job["part"], multipart_chunksize=job["part"])
for i in range(job["objects"]):
    s3.upload_file(job["files"][i % len(job["files"])], "bucket", f"boto3/{i}", Config=config)
`

export async function run({ rounds = 3 } = {}) {
  const dir = scratch('put')
  const server = spawn(process.execPath, [join(fileURLToPath(new URL('.', import.meta.url)), 'objects-sink.mjs')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const endpoint = await new Promise((resolve) => server.stdout.once('data', (text) => resolve(String(text).trim())))
    const dataset = { format: 'npz', num_files_train: objects, num_samples_per_file: 1, record_length_bytes: recordBytes }
    const local = { framework: 'pytorch', dataset: { ...dataset, num_files_train: distinct, data_folder: join(dir, 'data') } }
    generate(writeConfig(join(dir, 'local'), local))
    const folder = join(dir, 'data', 'train')
    const files = readdirSync(folder).map((name) => join(folder, name))
    const config = writeConfig(join(dir, 'remote'), {
      framework: 'pytorch',
      storage: { storage_options: { endpoint_url: endpoint, multipart_part_size: partBytes } },
      dataset: { ...dataset, data_folder: 's3://bucket/ours' },
    })
    const bytes = objects * recordBytes
    const rates = ({ cpuSeconds, wallSeconds }) => ({ gbPerCpuSecond: bytes / cpuSeconds / 1e9, gbPerSecond: bytes / wallSeconds / 1e9 })
    const input = JSON.stringify({ endpoint, part: partBytes, objects, files })
    const rows = {
      [`${objects} NPZ objects of ${recordBytes >> 20} MiB, parts of ${partBytes >> 20} MiB`]: sideBySide(rounds, {
        'dl-driver generate': () => rates(node([driver, 'generate', config, '-q'], { env: keys })),
        'boto3 upload_file': () => rates(timed(findPython(), ['-c', upload], { input, env: keys })),
      }),
    }
    return { title: 'Objects: uploads of generated data', rows }
  } finally {
    server.kill()
  }
}

/** A Python with boto3. */
function findPython() {
  const python = objectsPython()
  if (python === undefined) throw new Error('no Python with boto3 can be made under .cache; give one by BENCH_PYTHON')
  return python
}
