// `dlio_benchmark`: DLIO's command name and Hydra's command line for the same job; the parts are in hydra/.
import { lazily, packageInfo } from '../package.js'
import { type HydraArguments, parseArguments } from './hydra/arguments.js'
import { type Composition, compose, type Surroundings } from './hydra/compose.js'
import { launchedWorld, semanticsFrom } from './hydra/environment.js'
import { HydraError } from './hydra/errors.js'
import { configText, help, infoText } from './hydra/info.js'
import { runProgram } from './hydra/program.js'

/** Runs the program with the arguments behind its name, and sets the exit code. */
export function main(argv: readonly string[]): void {
  runProgram(() => run(argv, { cwd: process.cwd(), env: process.env, now: new Date() }))
}

async function run(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const args = parseArguments(argv)
  if (args.help || args.hydraHelp) return print(help)
  if (args.version) return print(`${packageInfo().version}\n`)
  const composition = compose(args, surroundings)
  if (args.cfg !== undefined) return print(configText(args.cfg, args, composition, surroundings))
  if (args.info) return print(infoText(composition))
  const ranks = ranksOf(args)
  const semantics = semanticsFrom(surroundings.env)
  const world = launchedWorld(surroundings.env)
  if (world.size > 1) {
    // One clear error for the job, not one a rank.
    if (world.rank > 0) return 1
    throw new HydraError(
      `${world.size} ranks were started by an MPI launcher, which this dlio_benchmark does not join yet; ` +
        `start it once, without mpirun, with --ranks ${world.size}`,
    )
  }
  const { runComposed } = lazily<typeof import('./hydra/run.js')>('cli/hydra/run.js')
  try {
    return await runComposed({ composition, surroundings, semantics, ranks })
  } catch (error) {
    process.stderr.write(`Error executing job with overrides: ${taskList(composition)}\n`)
    throw error
  }
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
