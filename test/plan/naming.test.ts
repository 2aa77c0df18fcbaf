import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { computedFiles, fileNamer } from '#src/dataset/naming.js'
import { FileMap } from '#src/order/file-map.js'
import { sortByPath } from '#src/order/path-order.js'
import type { FileList } from '#src/order/types.js'
import { batchSink } from '#src/plan/batch-sink.js'
import { plan, range, type Sections, workload } from './workloads.js'

const names = (list: FileList): string[] => range(list.count).map((i) => list.name(i))
/** Code points, which is how Python sorts. */
const sorted = (all: readonly string[]): string[] => all.toSorted((a, b) => (a < b ? -1 : 1))
const folders: Sections = { dataset: { num_files_train: 25, num_files_eval: 3, num_subfolders_train: 10 } }

describe('names', () => {
  test('are padded to the digits of the number of files, which is not padded itself', () => {
    const name = fileNamer(workload({ dataset: { num_files_train: 168, file_prefix: 'part' } }), 'train')
    assert.equal(name(3), 'train/part_003_of_168.npz')
    const { valid } = computedFiles(workload({ dataset: { num_files_eval: 10 } }))
    assert.deepEqual(names(valid).slice(0, 2), ['valid/img_00_of_10.npz', 'valid/img_01_of_10.npz'])
  })

  test('in subfolders are padded to the digits of the number of subfolders; one subfolder is none', () => {
    const name = fileNamer(workload(folders), 'train')
    assert.equal(name(23), 'train/03/img_23_of_25.npz')
    assert.equal(fileNamer(workload({ dataset: { num_subfolders_train: 1 } }), 'train')(3), 'train/img_03_of_16.npz')
  })

  test('are listed by base name upstream, by full path in MLCommons’ DLIO, and by number where it skips listing', () => {
    const byNumber = range(25).map(fileNamer(workload(folders), 'train'))
    assert.deepEqual(names(computedFiles(workload({ ...folders, tree: 'upstream' })).train), byNumber)
    assert.deepEqual(names(computedFiles(workload(folders)).train), sorted(byNumber))
    const skipping = workload({ dataset: { ...folders.dataset, skip_listing: true } })
    assert.deepEqual(names(computedFiles(skipping).train), byNumber)
  })
})

describe('path order', () => {
  test('of numbered subfolders is arithmetic', () => {
    for (const [count, subfolders] of [
      [25, 10],
      [20, 10],
      [3, 7],
      [0, 3],
      [13, 1],
    ] as const) {
      const { train } = computedFiles(workload({ tree: 'upstream', dataset: { num_files_train: count, num_subfolders_train: subfolders } }))
      const map = FileMap.byFolder(count, subfolders)
      assert.deepEqual(
        range(count).map((position) => train.name(map.at(position))),
        sorted(names(train)),
      )
    }
  })

  test('can be brought about for any part of a list, with or without known subfolders', () => {
    const { train } = computedFiles(workload({ ...folders, tree: 'upstream' }))
    const listed: FileList = { count: train.count, name: train.name }
    for (const files of [train, listed]) {
      const indices = Uint32Array.of(24, 1, 11, 3, 20, 10)
      sortByPath(indices, files, false)
      assert.deepEqual(
        [...indices].map((i) => files.name(i)),
        sorted([...indices].map((i) => files.name(i))),
      )
    }
    const inOrder = Uint32Array.of(5, 3, 9)
    sortByPath(inOrder, listed, true)
    assert.deepEqual([...inOrder], [3, 5, 9])
  })

  test('is the order in which TFRecord files are read, whatever the list was', () => {
    const cases: Sections[] = [
      { tree: 'upstream' },
      { tree: 'fork' },
      { tree: 'fork', dataset: { skip_listing: true } },
      { tree: 'fork', dataset: { skip_listing: true }, reader: { file_shuffle: 'seed' } },
      { tree: 'fork', reader: { file_shuffle: 'seed' } },
    ]
    for (const { tree, dataset, reader } of cases) {
      const own = plan({
        ...(tree === undefined ? {} : { tree }),
        dataset: { format: 'tfrecord', num_files_train: 24, num_subfolders_train: 10, ...dataset },
        reader: { data_loader: 'tensorflow', read_threads: 1, batch_size: 1, ...reader },
        train: { epochs: 1 },
      })
      own.advance(1)
      const order = own.order('train', 0, 1)
      const sink = batchSink(own)
      const read = range(order.steps).map((k) => {
        order.batch(k, sink)
        return own.train.files.name(sink.files[0]!)
      })
      assert.equal(read.length, 24)
      assert.deepEqual(read, sorted(read), JSON.stringify({ tree, dataset, reader }))
    }
  })
})
