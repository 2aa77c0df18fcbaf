// `doctor` of stores that refuse one thing or say nothing: that one is blamed, each request is sent once, and what may be left behind is named.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Asked, type FakeStore, type Fault, startFakeStore } from '../storage/fake-store.js'
import { noCredentials } from '../storage/services.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const folder = scratchFolder('doctor-faults')

const refusal = (code: string): Fault => ({ error: { status: 403, code } })
const to =
  (kind: Asked['kind'], fault: Fault): FakeStore['spoil'] =>
  (asked) =>
    asked.kind === kind ? fault : undefined

interface Case {
  readonly what: string
  readonly spoil: FakeStore['spoil']
  readonly failed: readonly string[]
  readonly says: RegExp
}

const cases: readonly Case[] = [
  {
    what: 'no permission to delete',
    spoil: to('delete', refusal('AccessDenied')),
    failed: ['DELETE'],
    says: /access denied.*; \w+:\/\/\S+\/data\/\.dl-driver-doctor-\w+ may be left behind: remove it$/,
  },
  { what: 'no permission to read', spoil: to('get', refusal('AccessDenied')), failed: ['range'], says: /access denied/ },
  {
    what: 'a wrong secret',
    spoil: () => refusal('SignatureDoesNotMatch'),
    failed: ['LIST', 'PUT'],
    says: /refuses the signature; check the secret key, the region, and the clock/,
  },
  { what: 'an unknown key', spoil: () => refusal('InvalidAccessKeyId'), failed: ['LIST', 'PUT'], says: /does not know the access key/ },
  { what: 'silence on listings', spoil: to('list', { none: 'silence' }), failed: ['LIST'], says: /no answer/ },
  { what: 'silence on everything', spoil: () => ({ none: 'silence' }), failed: ['clock', 'LIST'], says: /no answer/ },
]

for (const provider of ['s3', 'azure', 'gcs'] as const)
  describe(`doctor of ${provider}`, () => {
    for (const { what, spoil, failed, says } of cases)
      test(`${what} is told, and asked for once`, async () => {
        const store = await startFakeStore(provider)
        const uri = store.uri('bucket')
        store.spoil = spoil
        const workload = { framework: 'pytorch', storage: { storage_options: store.options }, dataset: { data_folder: uri, format: 'npz' } }
        // Of silence the whole time is waited for, of answers none.
        const time = ['--timeout', what.startsWith('silence') ? '8' : '100']
        const path = workloadFile(folder, workload, `${provider}.yaml`)
        const ran = await driver(['doctor', path, '--json', ...time], { env: noCredentials })
        store.close()
        assert.equal(ran.code, 1, ran.stdout + ran.stderr)
        const { checks } = JSON.parse(ran.stdout) as { checks: { name: string; outcome: string; detail: string }[] }
        const bad = checks.filter(({ outcome }) => outcome === 'failed')
        for (const name of failed)
          assert.ok(
            bad.some((check) => check.name.startsWith(name)),
            `${name}: ${JSON.stringify(checks)}`,
          )
        if (!what.startsWith('silence')) assert.equal(bad.length, failed.length, JSON.stringify(bad))
        assert.match(bad[0]!.detail, says)
        // Google's bucket is asked for by a listing of its own.
        assert.ok(store.seen.filter(({ kind }) => kind === 'list').length <= (provider === 'gcs' ? 2 : 1))
        // Nothing is left of what could be deleted.
        const left = [...store.buckets.get('bucket')!.keys()]
        assert.equal(left.length, what === 'no permission to delete' ? 1 : 0, String(left))
      })
  })
