// Writing and reading checkpoints on tmpfs, bytes per CPU second in steady state (a run of many checkpoints less one of few): the torch format and
// the raw one, against a C program that writes as many bytes to as many files from ready memory (raw-writer.c). With TORCH=PYTHON also against
// torch.save of the same tensors, which writes the same archive.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compiled, drive, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

/** One rank's quarter of a gigabyte: halves of the model and floats of the optimizer. */
const model = {
  name: 'bench',
  type: 'transformer',
  num_layers: 2,
  model_datatype: 'fp16',
  optimizer_datatype: 'fp32',
  parallelism: { tensor: 1, pipeline: 1, zero_stage: 3 },
  transformer: { vocab_size: 8000, hidden_size: 512, ffn_hidden_size: 4096, num_attention_heads: 8, num_kv_heads: 8 },
}
const counts = [2, 10]

const torchScript = `
import sys, torch
folder, count, elements = sys.argv[1], int(sys.argv[2]), [int(n) for n in sys.argv[3:]]
model = {str(i): torch.rand(n).half() for i, n in enumerate(elements[:-1])}
optimizer = {str(i): torch.rand(elements[-1]) for i in range(3)}
for step in range(count):
    for name, state in (('model', model), ('optimizer', optimizer)):
        with open(f'{folder}/{name}-{step}.pt', 'wb') as f:
            torch.save(state, f)
`

/** Gives `work` a folder in memory and takes it back at once: what is left there is missing elsewhere. */
function inMemory(work) {
  const folder = scratch('checkpoint')
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function workload(folder, write, read) {
  return writeConfig(join(folder, `w${write}r${read}`), {
    framework: 'pytorch',
    model,
    workflow: { train: false, checkpoint: true },
    checkpoint: { checkpoint_folder: join(folder, 'checkpoints'), num_checkpoints_write: write, num_checkpoints_read: read },
  })
}

/** Bytes and seconds of the longer run less the shorter one. */
function steady(short, long, bytes) {
  const cpuSeconds = long.cpuSeconds - short.cpuSeconds
  const wallSeconds = long.wallSeconds - short.wallSeconds
  return { 'GB/CPU s': bytes / 1e9 / cpuSeconds, 'GB/s': bytes / 1e9 / wallSeconds }
}

function writing(semantics) {
  const [short, long] = counts.map((count) => inMemory((folder) => drive(workload(folder, count, 0), ['--semantics', semantics])))
  const bytes = (run) => run.result.checkpoint.bytesWritten
  return { ...steady(short, long, bytes(long) - bytes(short)), bytesEach: bytes(short) / counts[0] }
}

function reading(semantics) {
  const [write, both] = [0, counts[1]].map((reads) =>
    inMemory((folder) => drive(workload(folder, counts[1], reads), ['--semantics', semantics])),
  )
  return steady(write, both, both.result.checkpoint.bytesWritten)
}

function raw(bytesEach) {
  const program = compiled('raw-writer')
  const [short, long] = counts.map((count) =>
    inMemory((folder) => timed(program, [folder, String(2 * count), String(Math.round(bytesEach / 2)), '1'])),
  )
  return steady(short, long, (counts[1] - counts[0]) * bytesEach)
}

function torch(bytesEach) {
  const layer = [512, 3 * 512 * 512, 512 * 512, 512, 2 * 512 * 4096, 512 * 4096]
  const elements = [8000 * 512, ...layer, ...layer, 8000 * 512]
  const optimizer = Math.round((bytesEach - 2 * elements.reduce((sum, n) => sum + n, 0)) / 12)
  const [short, long] = counts.map((count) =>
    inMemory((folder) => {
      const script = join(folder, 'save.py')
      writeFileSync(script, torchScript)
      return timed(process.env.TORCH, [script, folder, String(count), ...[...elements, optimizer].map(String)])
    }),
  )
  return steady(short, long, (counts[1] - counts[0]) * bytesEach)
}

const shown = ({ bytesEach: _, ...figures }) => figures

export async function run({ rounds = 3 } = {}) {
  const { bytesEach } = writing('mlcommons')
  const rows = {
    'writing torch files': sideBySide(rounds, {
      'dl-driver, upstream': () => shown(writing('upstream')),
      'raw writer in C': () => raw(bytesEach),
      ...(process.env.TORCH ? { 'torch.save': () => torch(bytesEach) } : {}),
    }),
    'writing raw files': sideBySide(rounds, {
      'dl-driver, mlcommons': () => shown(writing('mlcommons')),
      'raw writer in C': () => raw(bytesEach),
    }),
    'reading back': sideBySide(rounds, {
      'dl-driver, upstream': () => reading('upstream'),
      'dl-driver, mlcommons': () => reading('mlcommons'),
    }),
  }
  return { title: `Checkpoints of ${(bytesEach / 1e9).toFixed(2)} GB on tmpfs, one rank`, rows }
}
