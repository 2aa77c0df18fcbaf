// The front door: version, help, and the command lines that documentation shows.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Command } from 'commander'
import { registerAggregate } from '#src/cli/aggregate.js'
import { registerCompare } from '#src/cli/compare.js'
import { registerDoctor } from '#src/cli/doctor.js'
import { registerGenerate } from '#src/cli/generate.js'
import { registerInspect } from '#src/cli/inspect.js'
import { registerPlan } from '#src/cli/plan.js'
import { registerReport } from '#src/cli/report.js'
import { registerRun } from '#src/cli/run.js'
import { registerValidate } from '#src/cli/validate.js'
import { loadWorkload } from '#src/config/load.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const packageJson = JSON.parse(fs.readFileSync('package.json', 'utf8')) as { version: string; scripts: Record<string, string> }

test('--version prints the version and loads nothing of the program', () => {
  const folder = scratchFolder('version')
  // Nothing but the launcher: no dist, no node_modules.
  fs.cpSync('bin', join(folder, 'bin'), { recursive: true })
  fs.copyFileSync('package.json', join(folder, 'package.json'))
  for (const option of ['--version', '-V'])
    assert.equal(
      execFileSync(process.execPath, [join(folder, 'bin', 'dl-driver.js'), option], { encoding: 'utf8' }),
      `${packageJson.version}\n`,
    )
})

const register = {
  run: registerRun,
  generate: registerGenerate,
  validate: registerValidate,
  plan: registerPlan,
  inspect: registerInspect,
  aggregate: registerAggregate,
  compare: registerCompare,
  report: registerReport,
  doctor: registerDoctor,
}

test('every command that takes data says how it is given objects', async () => {
  assert.match((await driver(['--help'])).stdout, /dl-driver run .*s3:\/\//)
  for (const command of ['run', 'generate', 'validate', 'plan', 'inspect', 'doctor']) {
    const { stdout } = await driver([command, '--help'])
    assert.match(stdout.slice(stdout.indexOf('Examples:')), /s3:\/\/|storage_type=s3/, command)
  }
})

test('--help lists every command, and every command has help with examples', async () => {
  const help = await driver(['--help'])
  assert.deepEqual([help.code, help.stderr], [0, ''])
  const listed = [...help.stdout.slice(help.stdout.indexOf('Commands:')).matchAll(/^ {2}([a-z]+) [ [<]/gm)].map(([, name]) => name)
  assert.deepEqual(
    listed.filter((name) => name !== 'help'),
    Object.keys(register),
  )
  assert.match(help.stdout, /\nExamples:\n/)
  for (const name of Object.keys(register)) {
    const { code, stdout, stderr } = await driver([name, '--help'])
    assert.deepEqual([code, stderr], [0, ''], name)
    assert.match(stdout, new RegExp(`^Usage: dl-driver ${name} `))
    assert.ok(stdout.includes(`\nExamples:\n  dl-driver ${name} `), `${name} --help has no examples`)
    const same = await driver(['help', name])
    assert.equal(same.stdout, stdout)
  }
})

test('no command at all shows the help on standard error and ends with 2', async () => {
  const { code, stdout, stderr } = await driver([])
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, /^Usage: dl-driver /)
})

test('unknown commands, options and values end with 2, name what is wrong and point to the help', async () => {
  for (const [args, words] of [
    [['rnu', 'quickstart'], /unknown command 'rnu'/],
    [['--verbose'], /unknown option '--verbose'/],
    [['run', 'quickstart', '--rank', '2'], /unknown option '--rank'/],
    [['run', 'quickstart', '--ranks', '0'], /'--ranks <n>' argument '0' is invalid/],
    [['run', 'quickstart', '--ranks'], /'--ranks <n>' argument missing/],
    [['run', 'quickstart', '--semantics', 'upstraem'], /'upstraem' is invalid. Allowed choices are mlcommons, upstream/],
    [['run', 'quickstart', '-q', '-v'], /cannot be used with option/],
    [['run'], /missing required argument 'config'/],
    [['inspect'], /missing required argument/],
  ] as const) {
    const { code, stdout, stderr } = await driver(args)
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, words)
    assert.match(stderr, /--help/)
  }
})

/** Command lines of `program` that a text shows: without comments (two blanks or ` #` before words) and what they are piped into. */
function commandLines(text: string, program: string): string[] {
  const shown = new RegExp(`^(?: {2,}|\\$ |\`)(${program} [^\`\\n]*)`, 'gm')
  return [...text.matchAll(shown)].map(([, line]) => line!.split(/ {2,}| #|\s*[|>]/)[0]!.trim())
}

const pages = ['README.md', 'CONTRIBUTING.md', ...fs.readdirSync('docs').map((name) => join('docs', name))].filter((name) =>
  name.endsWith('.md'),
)

test('every command line in the documentation and the help is one that the program takes', async () => {
  const folder = scratchFolder('examples')
  const config = workloadFile(
    folder,
    { framework: 'pytorch', dataset: { format: 'npz' }, reader: { data_loader: 'pytorch' } },
    'config.yaml',
  )
  const lines = new Map<string, string>()
  for (const page of pages) for (const line of commandLines(fs.readFileSync(page, 'utf8'), 'dl-driver')) lines.set(line, page)
  for (const args of [[], ...Object.keys(register).map((name) => [name])])
    for (const line of commandLines((await driver([...args, '--help'])).stdout, 'dl-driver')) lines.set(line, `${args} --help`)
  assert.ok(lines.size > 20, `only ${lines.size} command lines were found`)
  for (const [line, where] of lines) {
    let parsed: { name: string; operands: string[]; options: Record<string, unknown> } | undefined
    const program = new Command('dl-driver').exitOverride().configureOutput({ writeErr: () => {} })
    for (const add of Object.values(register)) add(program)
    for (const command of program.commands)
      command
        .exitOverride()
        .configureOutput({ writeErr: () => {} })
        .action(() => {
          parsed = { name: command.name(), operands: command.args, options: command.opts() }
        })
    const words = line.split(/\s+/).slice(1)
    if (words.some((word) => /^(--help|--version|-V|COMMAND)$/.test(word))) continue
    assert.doesNotThrow(() => program.parse(words, { from: 'user' }), `${where}: ${line}`)
    assert.ok(parsed !== undefined, `${where}: ${line}`)
    if (['inspect', 'aggregate', 'compare', 'report'].includes(parsed.name) || parsed.options.schema === true) continue
    const [name, ...overrides] = parsed.operands
    // Examines this machine, a folder or a URI too.
    if (parsed.name === 'doctor' && (name === undefined || /^\/|:\/\//.test(name))) continue
    // In uppercase, as in the usage line, it stands for any.
    if (/^[A-Z]/.test(name!)) continue
    const { semantics, framework } = parsed.options as Pick<Parameters<typeof loadWorkload>[0], 'semantics' | 'framework'>
    const load = () =>
      loadWorkload({
        config: name === 'config.yaml' ? config : name!,
        overrides,
        semantics,
        framework,
        generateOnly: parsed!.name === 'generate',
      })
    assert.doesNotThrow(load, `${where}: ${line}`)
  }
})

test('every npm script, test script and file that the documentation names exists', () => {
  for (const page of pages) {
    const text = fs.readFileSync(page, 'utf8')
    for (const [, name] of text.matchAll(/`?npm run ([a-z]+)/g)) assert.ok(name! in packageJson.scripts, `${page}: npm run ${name}`)
    for (const [, path] of text.matchAll(/\]\(([^)#]+)\)/g))
      if (!/^[a-z]+:/.test(path!)) assert.ok(fs.existsSync(join(page, '..', path!)), `${page}: ${path}`)
    for (const [, path] of text.matchAll(/`((?:src|docs|bench|scripts|configs|bin|test)\/[\w./-]*)`/g))
      assert.ok(fs.existsSync(path!), `${page}: ${path}`)
  }
})
