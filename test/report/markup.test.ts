import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandText, escapeText, exact, html } from '#src/report/markup.js'

test('text in a template is escaped, markup in it is not, lists are joined, and nothing is nothing', () => {
  const inner = html`<b>${'<&>'}</b>`
  assert.equal(
    html`<p title="${'"\'>'}">${inner}${[inner, ' & ']}${false}${undefined}${0}</p>`.text,
    '<p title="&quot;&#39;&gt;"><b>&lt;&amp;&gt;</b><b>&lt;&amp;&gt;</b> &amp; 0</p>',
  )
})

test('control characters, direction marks and halves of characters become U+FFFD, other alphabets stay', () => {
  assert.equal(escapeText('a\x00b\x1b[31m\x7f\u202etxt.exe\u2066\ud800z'), 'a\ufffdb\ufffd[31m\ufffd\ufffdtxt.exe\ufffd\ufffdz')
  assert.equal(escapeText('Größe 日本 שלום 🚀\tx\ny'), 'Größe 日本 שלום 🚀\tx\ny')
})

test('what looks like a credential is hidden, wherever it stands', () => {
  assert.equal(escapeText('http://user:pa55word@host/x'), 'http://(hidden)@host/x')
  assert.equal(escapeText('https://a.blob/x?sv=1&sig=abc%2Fdef&se=2'), 'https://a.blob/x?sv=1&amp;sig=(hidden)&amp;se=2')
  assert.equal(escapeText('DefaultEndpointsProtocol=http;AccountKey=c2VjcmV0;x=1'), 'DefaultEndpointsProtocol=http;AccountKey=(hidden);x=1')
})

test('secrets of a command line are hidden, and words with blanks are quoted', () => {
  const words = [
    'dl-driver',
    'run',
    'my config.yaml',
    'storage.storage_options.secret_access_key=abc',
    '++storage.storage_options={secret_access_key: abc}',
  ]
  const text = commandText(words)
  assert.ok(text.startsWith("dl-driver run 'my config.yaml' storage.storage_options.secret_access_key=(hidden)"), text)
  assert.ok(!text.includes('abc'), text)
})

test('a number carries its exact value', () => {
  assert.equal(exact(93.17241379310344, '93.2 %').text, '<data value="93.17241379310344">93.2 %</data>')
})
