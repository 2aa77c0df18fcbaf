// Which requests go through a proxy, decided in one place for the control plane and the readers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '#src/errors.js'
import { checkOptions } from '#src/storage/object/options.js'
import { isExempt, parseProxy, proxiesOf, proxyFor, proxyRules, proxySecrets } from '#src/storage/object/proxy.js'

const way = (env: NodeJS.ProcessEnv, origin: string, option?: string) => proxyFor(proxyRules(option, env), origin)?.host

test('endpoints with TLS take HTTPS_PROXY and those without HTTP_PROXY; lower case goes before upper case, empty is absent', () => {
  const env = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'http://secure:2', https_proxy: 'http://lower:3', http_proxy: '' }
  assert.equal(way(env, 'http://s3.example'), 'plain:1')
  assert.equal(way(env, 'https://s3.example'), 'lower:3')
  assert.equal(way({ HTTPS_PROXY: 'http://secure:2' }, 'http://s3.example'), undefined)
  assert.equal(proxyRules(undefined, { NO_PROXY: '*', HTTP_PROXY: '' }), undefined)
})

test('storage_options.proxy is the proxy of all requests, whatever the environment says', () => {
  const env = { HTTP_PROXY: 'http://plain:1', NO_PROXY: '*' }
  for (const origin of ['http://s3.example', 'https://10.0.0.1:9000']) assert.equal(way(env, origin, 'http://mine:8'), 'mine:8')
})

test('the metadata services of machines are asked directly, whatever is said', () => {
  for (const host of ['169.254.169.254', '169.254.170.2', 'metadata.google.internal', 'metadata.google.internal.', '[fd00:ec2::254]'])
    assert.equal(way({ HTTP_PROXY: 'http://p:1' }, `http://${host}/`, 'http://mine:8'), undefined, host)
  assert.equal(way({}, 'http://169.253.0.1', 'http://mine:8'), 'mine:8')
})

const exemptions: readonly [list: string, host: string, port: number, expected: boolean][] = [
  ['', 'a.example', 80, false],
  ['*', 'a.example', 80, true],
  ['a.example', 'a.example', 80, true],
  ['A.Example', 'a.EXAMPLE', 80, true],
  ['a.example', 'b.a.example', 80, true],
  ['a.example', 'ba.example', 80, false],
  ['.a.example', 'b.a.example', 80, true],
  ['.a.example', 'a.example', 80, true],
  ['*.a.example', 'b.a.example', 80, true],
  ['a.example', 'example', 80, false],
  ['a.example.', 'a.example', 80, true],
  ['x, a.example ,y', 'a.example', 80, true],
  ['x a.example', 'a.example', 80, true],
  ['a.example:9000', 'a.example', 9000, true],
  ['a.example:9000', 'b.a.example', 9000, true],
  ['a.example:9000', 'a.example', 9001, false],
  ['a.example:443', 'a.example', 443, true],
  ['10.0.0.1', '10.0.0.1', 80, true],
  ['10.0.0.1', '10.0.0.11', 80, false],
  ['0.0.1', '10.0.0.1', 80, false],
  ['10.0.0.1:9000', '10.0.0.1', 9000, true],
  ['10.0.0.1:9000', '10.0.0.1', 9001, false],
  ['10.0.0.0/8', '10.200.3.4', 80, true],
  ['10.0.0.0/8', '11.0.0.1', 80, false],
  ['192.168.4.0/23', '192.168.5.255', 80, true],
  ['192.168.4.0/23', '192.168.6.0', 80, false],
  ['10.0.0.0/8', 'ten.example', 80, false],
  ['10.0.0.0/40', '10.0.0.1', 80, false],
  ['::1', '::1', 80, true],
  ['[::1]', '::1', 80, true],
  ['[::1]:9000', '::1', 9000, true],
  ['[::1]:9000', '::1', 9001, false],
  ['fd00::/8', 'fd12:3456::1', 80, true],
  ['fd00::/8', 'fe80::1', 80, false],
  ['0:0:0:0:0:0:0:1', '::1', 80, true],
]
for (const [list, host, port, expected] of exemptions)
  test(`NO_PROXY=${JSON.stringify(list)} ${expected ? 'exempts' : 'does not exempt'} ${host} port ${port}`, () =>
    assert.equal(isExempt(list, host, port), expected))

test('the default port of an origin is the one that NO_PROXY may name', () => {
  const env = { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://p:1', NO_PROXY: 's3.example:443' }
  assert.equal(way(env, 'https://s3.example'), undefined)
  assert.equal(way(env, 'http://s3.example'), 'p:1')
  assert.equal(way({ ...env, NO_PROXY: '[fd00::1]:9000' }, 'http://[fd00::1]:9000'), undefined)
})

test('a proxy has a scheme (http:// if none), a port (80 or 443 if none) and perhaps percent-encoded credentials', () => {
  const { isTls, hostname, port, host, authorization } = parseProxy('proxy.example:3128')
  assert.deepEqual([isTls, hostname, port, host, authorization], [false, 'proxy.example', 3128, 'proxy.example:3128', ''])
  assert.deepEqual([parseProxy('https://p/').port, parseProxy('http://p').port, parseProxy('http://[::1]:8').hostname], [443, 80, '::1'])
  const basic = (text: string) => Buffer.from(parseProxy(text).authorization.replace(/^Basic /, ''), 'base64').toString()
  assert.equal(basic('http://ann:p%40ss%3Aword%25@p:1'), 'ann:p@ss:word%')
  assert.equal(basic('http://t%C3%B6ken@p:1'), 'töken:')
  assert.equal(parseProxy('http://ann:secret@p:1').host, 'p:1')
})

for (const [text, rule] of [
  ['socks5://u:hunter2@p:1080', /must begin with http:\/\/ or https:\/\/, not socks5:\/\//],
  ['http://u:hunter2@p:99999', /must be the URL of a proxy/],
  ['http://u:hunter2@p:1/path', /without a path/],
  ['http://u:hunter2%zz@p:1', /write % as %25/],
] as const)
  test(`${text.replace('hunter2', '…')} is refused in words that hold no password, as an option and in the environment`, () => {
    const [problem] = checkOptions({ proxy: text })
    assert.match(problem!.rule, rule)
    assert.throws(
      () => proxyFor(proxyRules(undefined, { HTTP_PROXY: text }), 'http://h'),
      (error) => error instanceof ConfigError && rule.test(error.message) && /^the environment's HTTP_PROXY /.test(error.message),
    )
    assert.doesNotMatch(JSON.stringify(problem), /hunter2/)
    // Of an endpoint that does not need it nothing is asked.
    assert.equal(proxyFor(proxyRules(undefined, { HTTP_PROXY: text }), 'https://h'), undefined)
  })

test('of several endpoints the proxies are told once each, by host and port alone', () => {
  const rules = proxyRules(undefined, { HTTP_PROXY: 'http://u:pw@p:1', HTTPS_PROXY: 'http://q:2', NO_PROXY: 'c' })
  assert.equal(proxiesOf(rules, ['http://a', 'http://b', 'http://c', 'https://d']), 'p:1, q:2')
  assert.equal(proxiesOf(rules, ['http://c']), undefined)
})

test('the secrets of a proxy are its password as it is written and as it is meant, and the header made of it', () => {
  const secrets = proxySecrets(proxyRules('http://ann:p%40ss@p:1', {}))
  for (const secret of ['p%40ss', 'p@ss', Buffer.from('ann:p@ss').toString('base64')]) assert.ok(secrets.includes(secret), secret)
  assert.ok(proxySecrets(proxyRules(undefined, { HTTPS_PROXY: 'token@p:1' })).includes('token'))
  assert.deepEqual(proxySecrets(proxyRules('http://p:1', {})), [])
})
