// One parsed type for every spelling of a place, in every operation.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { locateData } from '#src/config/location.js'
import { ConfigError } from '#src/errors.js'
import { planCheckpoints } from '#src/job/checkpoints.js'
import { resolveTarget } from '#src/storage/object/connect.js'
import { formatLocation, isObjectLocation, keyOf, objectUri, parseLocation, placeUri, rootUri } from '#src/storage/uri.js'
import { load as loadYaml } from '../config/helpers.js'
import { type Row, type Storage, spellings } from './spellings.js'

/** Files on this machine: paths stand as they are. */
const files: readonly Row[] = [
  ['data/', {}, 'data'],
  ['/data/a%20b c', {}, '/data/a%20b c'],
  ['file:///data/a%20b/', {}, 'file:///data/a%20b'],
  ['file://localhost/data', {}, 'file://localhost/data'],
  ['direct:///data', {}, 'direct:///data'],
  ['/mnt/data', { type: 's3', root: '/mnt', scheme: 'direct' }, 'direct:///mnt/data'],
  ['data', { type: 's3', root: '/mnt', scheme: 'file' }, '/mnt/data'],
]

const env = { AZURE_STORAGE_ACCOUNT: 'account' }

const target = (uri: string) => {
  const location = parseLocation(uri)
  assert.ok(isObjectLocation(location), uri)
  return resolveTarget(location, {}, env).place
}

/** Where a run of this configuration puts its checkpoints. */
function checkpointFolder(folder: string, { type, root, scheme }: Storage): string | undefined {
  const options = { account_name: env.AZURE_STORAGE_ACCOUNT, ...(scheme === undefined ? {} : { uri_scheme: scheme }) }
  const workload = {
    framework: 'pytorch',
    model: { name: 'flat' },
    workflow: { train: false, checkpoint: true },
    storage: { storage_type: type, storage_root: root, storage_options: options },
    checkpoint: { checkpoint_folder: folder },
  }
  return planCheckpoints(loadYaml(JSON.stringify(workload)).workload, 1)?.folder // JSON is YAML.
}

for (const [folder, { type = 'local_fs', root = './', scheme }, uri, warns] of spellings)
  test(`${JSON.stringify(folder)} with root ${root}${scheme === undefined ? '' : ` and scheme ${scheme}`} is ${uri} to every operation`, () => {
    const located = locateData(type as 'local_fs', root, folder, scheme)
    const place = target(located.folder)
    assert.equal(placeUri(place), uri)
    if (warns === undefined) assert.equal(located.warning, undefined)
    else assert.match(located.warning ?? '', warns)
    // generate and read: the same key, whichever way it is come by.
    const name = 'train/img_0_of_8.npz'
    const generated = keyOf(place, name)
    const read = `${rootUri(place)}${name}`
    assert.equal(objectUri(place, generated), read)
    assert.equal(keyOf(place, read.slice(rootUri(place).length)), generated)
    // list: below the prefix, and naming files as the generator does.
    assert.ok(generated.startsWith(keyOf(place, 'train/')))
    assert.equal(generated.slice(keyOf(place, '').length).replace(/^\//, ''), name)
    // checkpoint: the same spelling means the same folder.
    assert.equal(checkpointFolder(folder, { type, root, ...(scheme === undefined ? {} : { scheme }) }), uri)
    // report: what is shown leads to the same place.
    assert.deepEqual(target(placeUri(place)), place)
    assert.equal(formatLocation(parseLocation(located.folder)), located.folder)
  })

for (const [folder, { type = 'local_fs', root = './', scheme }, expected] of files)
  test(`${JSON.stringify(folder)} with root ${root}${scheme === undefined ? '' : ` and scheme ${scheme}`} is the path ${expected}`, () => {
    const located = locateData(type as 'local_fs', root, folder, scheme)
    assert.equal(located.folder, expected)
    assert.equal(isObjectLocation(parseLocation(located.folder)), false)
    assert.equal(
      checkpointFolder(folder, { type, root, ...(scheme === undefined ? {} : { scheme }) }),
      expected.replace(/^(direct|file):\/\/(localhost)?/, ''),
    )
  })

const refused: readonly [string, RegExp][] = [
  ['s3://', /names no bucket; write s3:\/\/bucket\/prefix/],
  ['s3://gs://bucket', /has two schemes, s3:\/\/ and gs:\/\//],
  ['s3:/bucket/data', /two slashes/],
  ['gcs://bucket', /unknown scheme gcs:\/\/.*write gs:\/\//],
  ['s3a://bucket', /write s3:\/\//],
  ['abfss://c@a', /write az:\/\//],
  ['https://bucket', /unknown scheme https:\/\//],
  ['s3://bucket/../other', /no folder "\.\."/],
  ['s3://bucket/./data', /no folder "\."/],
  ['s3://b ucket/data', /cannot be a bucket/],
  ['s3://bücket', /cannot be a bucket/],
  ['s3://-bucket', /cannot be a bucket/],
  ['az://ab', /cannot be a container/],
  ['s3://bucket/a\u0000b', /control characters/],
  [`s3://bucket/${'x'.repeat(1100)}`, /longer than 1000 bytes/],
  ['file://', /names no path/],
]

for (const [uri, message] of refused)
  test(`${JSON.stringify(uri).slice(0, 60)} is refused with what is wrong`, () => {
    assert.throws(
      () => parseLocation(uri),
      (error) => error instanceof ConfigError && message.test(error.message),
    )
  })

test('an Azure URI without a known account begins with the account, and needs one', () => {
  const place = (uri: string, options = {}, variables = {}) => {
    const location = parseLocation(uri)
    assert.ok(isObjectLocation(location))
    return placeUri(resolveTarget(location, options, variables).place)
  }
  assert.equal(place('az://someone/container/pre'), 'az://someone/container/pre')
  assert.throws(() => place('az://container'), /no storage account is known; set AZURE_STORAGE_ACCOUNT/)
  assert.equal(place('az://container/pre', { account_name: 'someone' }), 'az://someone/container/pre')
  assert.equal(
    place('az://container/pre', { connection_string: 'AccountName=someone;BlobEndpoint=http://h' }),
    'az://someone/container/pre',
  )
  assert.equal(place('az://other.blob.core.windows.net/container/pre', {}, env), 'az://other/container/pre')
  assert.equal(place('az://other/container/pre', { account_in_uri: true }, env), 'az://other/container/pre')
  assert.equal(place('az://account/container', { account_in_uri: false }, env), 'az://account/account/container')
})

test('a data folder that is no URI is a problem of the configuration, at its line', () => {
  const load = (folder: string) => loadYaml(`dataset:\n  format: npz\n  data_folder: ${folder}\n`)
  assert.throws(
    () => load('s3://gs://bucket'),
    (error) =>
      error instanceof ConfigError && error.problems.some((problem) => problem.path === 'dataset.data_folder' && problem.line === 3),
  )
})
