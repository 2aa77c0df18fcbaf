import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { registerValidate } from '#src/cli/validate.js'
import { fileOf } from './helpers.js'

/** Runs `dl-driver validate` in this process. */
function validate(t: TestContext, ...argv: string[]): { out: string; err: string; code: unknown } {
  const seen = { out: '', err: '' }
  const stdout = t.mock.method(process.stdout, 'write', (text: string) => {
    seen.out += text
    return true
  })
  const stderr = t.mock.method(process.stderr, 'write', (text: string) => {
    seen.err += text
    return true
  })
  const before = process.exitCode
  try {
    const program = new Command().exitOverride()
    registerValidate(program)
    program.parse(['validate', ...argv], { from: 'user' })
    return { ...seen, code: process.exitCode }
  } finally {
    process.exitCode = before
    stdout.mock.restore()
    stderr.mock.restore()
  }
}

test('validate shows the effective workload to people and exits with 0', (t) => {
  const { out, err, code } = validate(t, 'unet3d_h100', 'reader.batch_size=9')
  assert.equal(out, '')
  assert.equal(code, 0)
  assert.match(err, /^warning: model\.model_size is no key of DLIO/)
  assert.match(err, /\ndataset\.folder: data\/unet3d\n/)
  assert.match(err, /\nreader\.batchSize: 9\n/)
  assert.match(err, /\ntrain\.computationTime\.mean: 0\.323\n/)
  assert.match(err, /\nunet3d_h100 is valid\n$/)
})

test('validate --json prints the workload and the warnings, and nothing else', (t) => {
  const { out, err, code } = validate(t, 'unet3d_h100', '--json', '--semantics', 'upstream')
  assert.deepEqual([err, code], ['', 0])
  const { ok, workload, warnings } = JSON.parse(out)
  assert.deepEqual([ok, workload.semantics, workload.reader.batchSize, workload.raw.reader.batch_size], [true, 'upstream', 7, 7])
  assert.deepEqual(
    warnings.map(({ code }: { code: string }) => code),
    ['model-size', 'shuffle'],
  )
})

test('validate shows every problem and exits with 2, in JSON with --json', (t) => {
  const path = fileOf('reader: {batch_size: 0}\ntrain: {epochs: -1}\n')
  const people = validate(t, path)
  assert.deepEqual([people.out, people.code], ['', 2])
  assert.equal(people.err.split('rule:').length, 3)
  assert.match(
    people.err,
    /\n\n2 problems in the configuration: reader\.batch_size must be an integer of at least 1 and at most 16777216\n$/,
  )
  const json = validate(t, path, '--json')
  assert.deepEqual([json.err, json.code], ['', 2])
  const { ok, problems } = JSON.parse(json.out)
  assert.equal(ok, false)
  assert.deepEqual(problems[0], {
    source: path,
    line: 1,
    column: 22,
    path: 'reader.batch_size',
    value: '0',
    rule: 'must be an integer of at least 1 and at most 16777216',
    remedy: 'give such a value, or delete the key for the default, 1',
    excerpt: 'reader: {batch_size: 0}',
  })
})

test('validate never prints secrets', (t) => {
  for (const json of [[], ['--json']]) {
    const { out, err } = validate(t, 'unet3d_h100_s3', 'storage.storage_options.secret_access_key=hunter2', ...json)
    assert.match(out + err, /secret_access_key.*\(hidden\)/)
    assert.match(out + err, /http:\/\/localhost:9020/)
    assert.doesNotMatch(out + err, /hunter2/)
  }
})

test('declaring the command loads neither YAML nor the schema', () => {
  const url = fileURLToPath(import.meta.resolve('#src/cli/validate.js'))
  const script = `require(${JSON.stringify(url)}); console.log(Object.keys(require.cache).filter((path) => /node_modules.(yaml|zod)/.test(path)).length)`
  const options = { encoding: 'utf8', stdio: 'pipe' } as const
  assert.equal(execFileSync(process.execPath, ['-e', script], options).trim(), '0')
  assert.notEqual(execFileSync(process.execPath, ['-e', script.replaceAll('cli/validate.js', 'config/load.js')], options).trim(), '0')
})
