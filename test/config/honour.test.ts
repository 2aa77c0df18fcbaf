import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HonourName, honourable, honourNames, parseHonour } from '#src/config/honour.js'
import { ConfigError } from '#src/errors.js'
import { load, problemsOf } from './helpers.js'

const codes = (yaml: string, honour: readonly HonourName[]) => load(yaml, { honour }).warnings.map(({ code }) => code)

test('honoured settings are named with commas, each counts once, and order does not matter', () => {
  assert.deepEqual(parseHonour(' read_type,file_shuffle, read_type,', '--honour'), ['file_shuffle', 'read_type'])
  assert.deepEqual(parseHonour('', 'DL_DRIVER_HONOUR'), [])
})

test('a name that cannot be honoured is an error with the nearest name and the list', () => {
  const refused = (text: string) => {
    try {
      parseHonour(text, '--honour')
    } catch (error) {
      assert.ok(error instanceof ConfigError)
      return error.message
    }
    return assert.fail('it was accepted')
  }
  assert.equal(
    refused('file_shuffle,compresion'),
    `--honour: compresion cannot be honoured; did you mean compression?; one or more of ${honourNames.join(',')} can`,
  )
  assert.match(refused('\u001b[31mseed'), /\\u001b\[31mseed cannot be honoured; one or more of/)
})

test('file_shuffle that is honoured is off with off, and on with seed and random', () => {
  const shuffles = (value: string, honour: readonly HonourName[] = ['file_shuffle']) =>
    load(`reader: {file_shuffle: ${value}}`, { honour }).workload.reader.fileShuffle
  assert.deepEqual(
    ['off', '"off"', 'null', 'seed', 'random'].map((value) => shuffles(value)),
    [false, false, false, true, true],
  )
  assert.equal(shuffles('off', ['read_type']), true)
  assert.deepEqual(codes('reader: {file_shuffle: off}', ['file_shuffle']), [])
})

test('read_type that is honoured keeps files open with memory alone', () => {
  const keeps = (value: string) => load(`reader: {read_type: ${value}}`, { honour: ['read_type'] }).workload.reader.keepsFilesOpen
  assert.deepEqual(['on_demand', 'memory'].map(keeps), [false, true])
  assert.deepEqual(codes('reader: {read_type: on_demand}', ['read_type']), [])
})

test('compression that is honoured compresses npz files with zip, and is refused where the format has no such thing', () => {
  const yaml = (format: string, compression: string) =>
    `dataset: {format: ${format}, compression: ${compression}}\nreader: {data_loader: pytorch}\nframework: pytorch`
  assert.equal(load(yaml('npz', 'zip')).workload.dataset.compression, 'none')
  assert.match(
    load(yaml('npz', 'zip'))
      .warnings.map(({ message }) => message)
      .join(),
    /zip has no effect on npz files.*--honour compression/,
  )
  assert.equal(load(yaml('npz', 'zip'), { honour: ['compression'] }).workload.dataset.compression, 'zip')
  assert.deepEqual(codes(yaml('npz', 'zip'), ['compression']), [])
  assert.equal(load(yaml('hdf5', 'gzip'), { honour: ['compression'] }).workload.dataset.compression, 'gzip')
  assert.match(problemsOf(yaml('npz', 'gzip'), { honour: ['compression'] }), /rule: npz files can be compressed with zip/)
  assert.match(problemsOf(yaml('npy', 'zip'), { honour: ['compression'] }), /rule: npy files cannot be compressed/)
})

test('model_size that is honoured is the size of the blob, where model_size_bytes is not given', () => {
  const size = (yaml: string, honour: readonly HonourName[]) => load(yaml, { honour }).workload.model.sizeBytes
  assert.equal(size('model: {model_size: 499153191}', []), 10240)
  assert.equal(size('model: {model_size: 499153191}', ['model_size']), 499153191)
  assert.equal(size('model: {model_size: 5, model_size_bytes: 7}', ['model_size']), 7)
  assert.deepEqual(codes('model: {model_size: 5}', ['model_size']), [])
  assert.match(problemsOf('model: {model_size: big}', { honour: ['model_size'] }), /model\.model_size_bytes = "big"/)
})

test('record_length that is honoured is record_length_bytes, with its deviation and resize', () => {
  const lengths = (yaml: string, honour: readonly HonourName[] = ['record_length']) => {
    const { recordLengthBytes, recordLengthBytesStdev, recordLengthBytesResize } = load(yaml, { honour }).workload.dataset
    return [recordLengthBytes, recordLengthBytesStdev, recordLengthBytesResize]
  }
  const old = 'dataset: {record_length: 5000, record_length_stdev: 10, record_length_resize: 64}'
  assert.deepEqual(lengths(old), [5000, 10, 64])
  assert.deepEqual(lengths(old, []), [65536, 0, 0])
  assert.deepEqual(lengths('dataset: {record_length: 5000, record_length_bytes: 7}'), [7, 0, 0])
  assert.deepEqual(codes(old, ['record_length']), [])
})

test('words that DLIO does not mean to take are refused where they are honoured, and pass where they are not', () => {
  for (const [yaml, name] of [
    ['reader: {file_shuffle: offf}', 'file_shuffle'],
    ['reader: {read_type: disk}', 'read_type'],
  ] as const) {
    assert.match(problemsOf(yaml, { honour: [name] }), new RegExp(`reader\\.${name}[^]*must be .* where it is honoured`))
    load(yaml)
  }
})

test('what is honoured is part of the workload and of its digest', () => {
  const digest = (honour?: readonly HonourName[]) => load('reader: {file_shuffle: off}', { honour }).workload.source.configDigest
  assert.deepEqual(load('framework: tensorflow', { honour: ['file_shuffle'] }).workload.honoured, ['file_shuffle'])
  assert.deepEqual(load('framework: tensorflow').workload.honoured, [])
  assert.notEqual(digest(['file_shuffle']), digest())
  assert.equal(digest([]), digest())
})

test('each warning about a setting without effect names the honour that takes it at its word', () => {
  const yaml =
    'reader: {file_shuffle: off, read_type: on_demand}\ndataset: {format: npz, compression: zip, record_length: 9}\nmodel: {model_size: 3}'
  const messages = load(`framework: pytorch\n${yaml}`).warnings.map(({ message }) => message)
  for (const name of Object.keys(honourable))
    assert.ok(
      messages.some((message) => message.includes(`--honour ${name}`)),
      name,
    )
})
