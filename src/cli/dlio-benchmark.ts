// `dlio_benchmark`: DLIO's command name and Hydra's command line for the same job; the parts are in hydra/.
import { together } from '../cluster/agreement.js'
import { joinWorld } from '../cluster/join.js'
import { launchOf } from '../cluster/launcher.js'
import type { World } from '../cluster/world.js'
import { lazily, packageInfo } from '../package.js'
import { type HydraArguments, parseArguments } from './hydra/arguments.js'
import { type Composition, compose, type Surroundings } from './hydra/compose.js'
import { semanticsFrom } from './hydra/environment.js'
import { HydraError } from './hydra/errors.js'
import { configText, help, infoText } from './hydra/info.js'
import { reportHydra, runProgram } from './hydra/program.js'
import { inWorld } from './in-world.js'

/** Runs the program with the arguments behind its name, and sets the exit code. */
export function main(argv: readonly string[]): void {
  runProgram(() => run(argv, { cwd: process.cwd(), env: process.env, now: new Date() }))
}

async function run(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { env } = surroundings
  const args = parseArguments(argv)
  // What only tells something is told once, and needs nobody else.
  const text = information(args, surroundings)
  if (text !== undefined) return (launchOf(env)?.rank ?? 0) === 0 ? print(text) : 0
  const ranks = ranksOf(args)
  const joining = joinWorld(env)
  let composition: Composition | undefined
  const work = async (world: World) => {
    // Folders are named after the time: the same for all processes.
    const now = new Date(await world.broadcast(surroundings.now.getTime()))
    const settled = await together(world, () => ({ composition: compose(args, { ...surroundings, now }), semantics: semanticsFrom(env) }))
    composition = settled.composition
    const { runComposed } = lazily<typeof import('./hydra/run.js')>('cli/hydra/run.js')
    return runComposed({ ...settled, surroundings, world, launch: joining.launch })
  }
  return inWorld(
    () => joining.world(ranks),
    work,
    (error) => {
      if (composition !== undefined) process.stderr.write(`Error executing job with overrides: ${taskList(composition)}\n`)
      return reportHydra(error)
    },
  )
}

/** What the command line asks to be told instead of a run. */
function information(args: HydraArguments, surroundings: Surroundings): string | undefined {
  if (args.help || args.hydraHelp) return help
  if (args.version) return `${packageInfo().version}\n`
  if (args.cfg !== undefined) return configText(args.cfg, args, compose(args, surroundings), surroundings)
  return args.info ? infoText(compose(args, surroundings)) : undefined
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function ranksOf({ ranks = '1' }: HydraArguments): number {
  if (/^[1-9]\d{0,6}$/.test(ranks)) return Number(ranks)
  throw new HydraError(`dlio_benchmark: error: argument --ranks: a whole number of at least 1 is needed, not '${ranks}'`, 2)
}

/** The task overrides as Python prints a list of strings. */
function taskList({ taskOverrides }: Composition): string {
  const quoted = taskOverrides.map(({ text }) => {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
    return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) + quote
  })
  return `[${quoted.join(', ')}]`
}
