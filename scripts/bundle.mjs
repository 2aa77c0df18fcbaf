// Bundles `src` into `dist`: what ships. One entry per part that is loaded on its own (the calls of lazily() and entryFile(), and the
// programs), what they share in chunks. Loading a hundred small files and whole libraries was most of the start-up time.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** Loaded at run time: native code or WebAssembly, needed by few commands. */
const external = ['@node-rs/crc32', 'h5wasm', 'koffi', 'sharp']

function sources(root) {
  return readdirSync(join(root, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join('src', name))
    .sort()
}

function entries(root) {
  const found = new Set(['cli/main.ts', 'cli/dlio-benchmark.ts', 'cli/dlio-query.ts', 'cli/dlio-postprocessor.ts'])
  for (const source of sources(root))
    for (const [, path] of readFileSync(join(root, source), 'utf8').matchAll(/\b(?:lazily<[^\n]*?>|entryFile)\('([^']+)\.js'\)/g))
      found.add(`${path}.ts`)
  return [...found].filter((path) => path !== 'cli/x.ts').map((path) => join(root, 'src', path))
}

export async function bundle(root) {
  const outdir = join(root, 'dist')
  rmSync(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entries(root),
    outbase: join(root, 'src'),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external,
    metafile: true,
    logLevel: 'warning',
    chunkNames: 'chunks/[name]-[hash]',
    // Bundled CommonJS libraries call require() for Node's own modules.
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
  })
  mkdirSync(outdir, { recursive: true })
  writeFileSync(join(outdir, 'THIRD-PARTY-LICENSES.txt'), notices(root, Object.keys(metafile.inputs)))
}

/** The licences of the libraries whose code is in the bundle, and the notices that Apache's asks to pass on. */
function notices(root, inputs) {
  // A package may lie within another one's node_modules.
  const folders = new Set(inputs.flatMap((input) => /^((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []))
  const packages = [...folders].sort().map((folder) => {
    const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    const file = (name) => {
      const found = readdirSync(join(root, folder)).find((entry) => name.test(entry))
      return found === undefined ? undefined : readFileSync(join(root, folder, found), 'utf8').trim()
    }
    return { name, version, license, author, text: file(/^licen[cs]e/i), notice: file(/^notice/i) }
  })
  return packages
    .map(
      (about) =>
        `${about.name} ${about.version} (${about.license})\n\n${about.text ?? declaredTerms(about, packages)}\n${about.notice === undefined ? '' : `\n${about.notice}\n`}`,
    )
    .join(`\n${'-'.repeat(80)}\n\n`)
}

/** Where each licence's terms begin, which are the same words for everybody. */
const termsBegin = { MIT: 'Permission is hereby granted', 'Apache-2.0': 'Apache License' }

/** Some packages declare a licence and an author, and ship no text: the licence's terms, as others have them, under the author's name. */
function declaredTerms({ name, license, author }, packages) {
  const words = termsBegin[license]
  const owner = typeof author === 'string' ? author : author?.name
  const other = packages.find(({ license: same, text }) => words !== undefined && same === license && text?.includes(words))
  if (owner === undefined || other === undefined) throw new Error(`${name} has no licence file; its code must not be bundled`)
  return `Copyright (c) ${owner}\n\n${other.text.slice(other.text.indexOf(words))}`
}
