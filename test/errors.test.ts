import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import {
  ConfigError,
  DataError,
  type DlDriverError,
  RunError,
  restoreError,
  type SerializedError,
  StorageError,
  serializeError,
} from '#src/errors.js'

/** Through a real port, as between threads. */
function across(error: unknown): Error {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(serializeError(error))
  const { message } = receiveMessageOnPort(port2) as { message: SerializedError }
  port1.close()
  return restoreError(message)
}

const errors = [
  new ConfigError('two problems', [
    { source: 'a.yaml', line: 3, column: 5, path: 'reader.batch_size', value: '0', rule: 'must be at least 1' },
  ]),
  new DataError('data/x.npz', 'ends after 10 bytes', 10),
  new StorageError('data/x.npz', 'open', 'no such file', 'ENOENT'),
  new RunError('a thread died', 1),
]

for (const error of errors)
  test(`${error.name} keeps its class, message, exit code, fields and stack across a thread border`, () => {
    const other = across(error) as DlDriverError
    assert.equal(other.constructor, error.constructor)
    assert.equal(other.message, error.message)
    assert.equal(other.exitCode, error.exitCode)
    assert.deepEqual(other.fields(), error.fields())
    assert.equal(other.stack, error.stack)
  })

test('an error that is not ours keeps name, message and code', () => {
  const other = across(Object.assign(new TypeError('x is not a function'), { code: 'E_X' })) as NodeJS.ErrnoException
  assert.deepEqual([other.name, other.message, other.code], ['TypeError', 'x is not a function', 'E_X'])
})

test('messages carry what, where and the code', () => {
  assert.equal(new DataError('f.npz', 'member x is missing', 7).message, 'f.npz: member x is missing (at byte 7)')
  assert.equal(
    new StorageError('f.npz', 'read', 'input/output error of the device', 'EIO').message,
    'f.npz: cannot read: input/output error of the device (EIO)',
  )
})
