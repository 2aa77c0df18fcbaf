// Sizes and places by DLIO's arithmetic, for shapes that no recording has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkpointTotals, rankFiles, reportedBytes } from '#src/checkpoint/layout.js'
import { parameterCount } from '#src/checkpoint/model.js'
import { stageLayers } from '#src/checkpoint/parallel.js'
import { torchArchive } from '#src/checkpoint/torch-zip.js'
import { stateBytes } from '#src/checkpoint/types.js'
import { workloadOf } from './recordings.js'

const id = '7'.repeat(40)

function workload(model: object, checkpoint: object = {}) {
  return workloadOf({ model, framework: 'pytorch', workflow: { train: false, checkpoint: true }, checkpoint }, 'upstream')
}

function llama(layers: number, hidden: number, ffn: number, heads: number, kv: number, parallelism: object, mode: object = {}) {
  const transformer = {
    vocab_size: 128256,
    hidden_size: hidden,
    ffn_hidden_size: ffn,
    num_attention_heads: heads,
    num_kv_heads: kv,
  }
  return workload({ type: 'transformer', num_layers: layers, parallelism, transformer }, mode)
}

const models = {
  '8b': { of: llama(32, 4096, 14336, 32, 8, { tensor: 1, pipeline: 1, zero_stage: 3 }), ranks: 8 },
  '70b': { of: llama(80, 8192, 28672, 128, 8, { tensor: 8, pipeline: 1, zero_stage: 3 }), ranks: 64 },
  '405b': { of: llama(126, 16384, 53248, 128, 8, { tensor: 8, pipeline: 32, zero_stage: 1 }), ranks: 512 },
  '1t': { of: llama(128, 25872, 98304, 192, 32, { tensor: 8, pipeline: 64, zero_stage: 1 }), ranks: 1024 },
}

test('the models of MLPerf Storage have the published numbers of parameters', () => {
  const counts = Object.values(models).map(({ of }) => parameterCount(of.model))
  assert.deepEqual(counts, [8_030_261_248, 69_882_617_856, 405_853_388_800, 1_183_035_102_480])
})

test('the models of MLPerf Storage have the published bytes per rank', () => {
  const ofRank = (name: keyof typeof models, rank: number) =>
    rankFiles(models[name].of, models[name].ranks, rank).map(({ part, state }) => [part, stateBytes(state)] as const)
  const sum = (name: keyof typeof models, rank: number, part: string) =>
    ofRank(name, rank).reduce((total, [of, bytes]) => total + (of === part ? bytes : 0), 0)
  assert.deepEqual([sum('8b', 3, 'model'), sum('8b', 3, 'optimizer')], [2_007_565_312, 12_045_637_632])
  assert.deepEqual([sum('70b', 63, 'model'), sum('70b', 63, 'optimizer')], [2_184_120_320, 13_103_482_368])
  assert.deepEqual(
    [0, 8 * 1, 8 * 29, 8 * 30, 8 * 31].map((rank) => sum('405b', rank, 'model')),
    [3_713_269_760, 3_187_933_184, 3_187_933_184, 2_390_949_888, 2_916_319_232],
  )
  assert.deepEqual(
    [0, 8, 8 * 62, 8 * 63].map((rank) => sum('1t', rank, 'model')),
    [5_425_047_936, 4_595_488_128, 4_595_488_128, 5_425_099_680],
  )
  assert.deepEqual(
    ofRank('405b', 300).map(([part]) => part),
    ['optimizer'],
    'a second replica saves its share of the optimizer alone',
  )
})

test('the whole checkpoints of MLPerf Storage have the published sizes', () => {
  const gib = ({ of, ranks }: (typeof models)['8b']) => (reportedBytes(checkpointTotals(of, ranks)) / 2 ** 30).toFixed(4)
  assert.deepEqual(Object.values(models).map(gib), ['104.7045', '911.2121', '5292.2487', '15426.5893'])
})

test('a subset of eight ranks writes the bytes that these ranks write in the whole job', () => {
  const subset = (layers: number, h: number, f: number, a: number, k: number, parallelism: object) =>
    reportedBytes(checkpointTotals(llama(layers, h, f, a, k, parallelism, { mode: 'subset' }), 8)) / 2 ** 30
  assert.equal(subset(80, 8192, 28672, 128, 8, { tensor: 8, pipeline: 1, zero_stage: 3, data: 8 }).toFixed(4), '113.9015')
  assert.equal(subset(126, 16384, 53248, 128, 8, { tensor: 8, pipeline: 32, zero_stage: 1, data: 2 }).toFixed(4), '98.5447')
  assert.equal(subset(128, 25872, 98304, 192, 32, { tensor: 8, pipeline: 64, zero_stage: 1, data: 2 }).toFixed(4), '143.7239')
})

test('archives beyond 4 GiB have the sizes of torch.save', () => {
  const fileBytes = ({ of, ranks }: (typeof models)['8b'], rank: number) =>
    Object.fromEntries(rankFiles(of, ranks, rank).map(({ name, state }) => [name, torchArchive(state, id).byteLength]))
  assert.deepEqual(Object.values(fileBytes(models['8b'], 0)), [2_007_619_961, 12_045_640_409])
  assert.deepEqual(Object.values(fileBytes(models['70b'], 0)), [2_184_255_865, 13_103_485_349])
  const first = fileBytes(models['405b'], 0)
  assert.equal(first['layer_0-model_0_model_states'], 525_338_153)
  assert.equal(first['layer_1-model_0_model_states'], 796_985_813)
  assert.equal(first.zero_pp_rank_0_mp_rank_0_optim_states, 9_513_174_617)
  assert.equal(fileBytes(models['1t'], 0).zero_pp_rank_0_mp_rank_0_optim_states, 13_865_247_845)
})

test('layers are dealt to stages in order, the first stages taking one more', () => {
  const sizes = (stages: number, layers: number) =>
    Array.from({ length: stages }, (_, stage) => stageLayers(stage, stages, layers)).map(({ begin, end }) => [begin, end])
  assert.deepEqual(sizes(4, 10), [
    [1, 4],
    [4, 7],
    [7, 9],
    [9, 11],
  ])
})

test('without ZeRO the first replica alone saves, blob and optimizer included', () => {
  const { model } = { model: workload({ type: 'cnn', num_layers: 2, model_size_bytes: 5000, parallelism: { tensor: 2 } }) }
  assert.deepEqual(
    [0, 1, 2, 3].map((rank) => rankFiles(model, 4, rank).map(({ name }) => name)),
    [
      ['model_states-0', 'zero_pp_rank_0_mp_rank_0_model_states', 'zero_pp_rank_0_mp_rank_0_optim_states'],
      ['model_states-1', 'zero_pp_rank_0_mp_rank_1_model_states', 'zero_pp_rank_0_mp_rank_1_optim_states'],
      [],
      [],
    ],
  )
  const totals = checkpointTotals(model, 4)
  assert.equal(totals.modelBytes, 5000, 'the blob counts once, and layers not at all')
})

test('a blob of 5000 bytes makes a file of 6569', () => {
  const [file] = rankFiles(workload({ type: 'cnn', model_size_bytes: 5000 }), 1, 0)
  assert.equal(torchArchive(file!.state, id).byteLength, 6569)
})

test('given layers count their tensors once in the file and nothing in the reported size', () => {
  const given = workload({
    type: 'transformer',
    num_layers: 3,
    layer_parameters: [64, 17, 0],
    parallelism: { tensor: 2, pipeline: 2, zero_stage: 1 },
  })
  const layers = rankFiles(given, 4, 0).filter(({ part }) => part === 'model')
  assert.deepEqual(
    layers.map(({ name, state }) => [name, stateBytes(state)]),
    [
      ['layer_1-model_0_model_states', 40],
      ['layer_2-model_0_model_states', 40],
    ],
  )
  assert.equal(checkpointTotals(given, 4).modelBytes, 0)
})

/** The worked example of DLIO's arithmetic, with the sizes on disk that real DLIO made. */
const example = (parallelism: object, mode: object = {}) => {
  const transformer = { vocab_size: 100, hidden_size: 16, ffn_hidden_size: 40, num_attention_heads: 4, num_kv_heads: 2 }
  return workload({ type: 'transformer', num_layers: 4, parallelism, transformer }, mode)
}

const archives = (of: ReturnType<typeof workload>, ranks: number) =>
  Array.from({ length: ranks }, (_, rank) => rankFiles(of, ranks, rank).map(({ state }) => torchArchive(state, id).byteLength))

test('archives of the worked example have the sizes that real DLIO wrote', () => {
  assert.deepEqual(archives(example({ zero_stage: 3 }), 2), [
    [21650, 88149],
    [21650, 88149],
  ])
  assert.deepEqual(archives(example({ zero_stage: 1 }), 2), [[35666, 88149], [88149]])
  assert.deepEqual(archives(example({ zero_stage: 0 }), 2), [[35666, 172629], []])
  assert.deepEqual(archives(example({ zero_stage: 1, pipeline: 2 }), 4), [
    [4777, 8021, 8021, 45909],
    [8021, 8021, 4777, 1577, 45909],
    [45909],
    [45909],
  ])
  assert.deepEqual(archives(example({ zero_stage: 3, tensor: 2 }), 2), [
    [21650, 88149],
    [21650, 88149],
  ])
  assert.deepEqual(archives(example({ zero_stage: 1, data: 8 }, { mode: 'subset' }), 2), [[35666, 24789], [24789]])
})

test('pickles of 27 tensors are as long as torch’s: from the 257th object on numbers take four bytes', () => {
  const length = (zeroStage: number) => {
    const [file] = rankFiles(example({ zero_stage: zeroStage }), 2, 0)
    return torchArchive(file!.state, id).members[0]!.byteLength
  }
  assert.deepEqual([length(3), length(1)], [1777, 1785])
})
