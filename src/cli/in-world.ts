// The end of every command that may be one of several processes: one report, one exit code, nobody left behind.
import { isAgreed } from '../cluster/agreement.js'
import { PeerError } from '../cluster/errors.js'
import type { Launch } from '../cluster/launcher.js'
import type { World } from '../cluster/world.js'
import { HangingError } from '../errors.js'
import { reportError } from './errors.js'
import { endByForce, type Interruption, interruptedCode, listenForInterruption } from './interruption.js'

/** How long an interrupted job may take to part, and a process that ends because of another one waits to be ended with the rest. */
const partMs = 2500
const lingerMs = 3000

/**
 * Runs `work` in the world that `join` resolves to and returns the exit code. `report` tells people of an error and returns its exit code;
 * it is called on one process only.
 */
export async function inWorld(
  join: () => Promise<World>,
  work: (world: World) => Promise<number>,
  report: (error: unknown) => number,
): Promise<number> {
  let world: World
  try {
    world = await join()
  } catch (error) {
    // Whoever exits first may be the reason for its launcher to end the rest: not before the one that reports.
    if (error instanceof PeerError) await sleep(partMs)
    return exitAfter(error instanceof PeerError ? error.exitCode : report(error))
  }
  if (world.processes === 1) {
    const code = await work(world).catch(report)
    // A store's library may still wait for an answer, or for its next attempt.
    return code === 1 || code === interruptedCode ? exitAfter(code) : code
  }
  try {
    const code = await work(world)
    if (code === interruptedCode) return await part(world, code)
    await world.close()
    return code
  } catch (error) {
    return endWith(world, error, report)
  }
}

/** Ctrl-C and its like, wherever in the job they arrive: all processes hear of them. */
export function listenInWorld(world: World, launch: Launch | undefined): Interruption {
  const own = listenForInterruption({ followsParent: launch !== undefined })
  own.signal.addEventListener('abort', () => world.interrupt())
  return { signal: AbortSignal.any([own.signal, world.interrupted]), end: () => own.end() }
}

/** Reports an error that threads hanging in reads have left behind, and ends the process, which exit() could not. */
export function endIfHanging(error: unknown, world: World): void {
  // With others, MPI's abort ends this process as well.
  if (!(error instanceof HangingError) || world.processes > 1) return
  reportError(error)
  endByForce(error.exitCode)
}

async function endWith(world: World, error: unknown, report: (error: unknown) => number): Promise<number> {
  const reports = isAgreed(error) ? !(error instanceof PeerError) : await world.fail(error as Error)
  const code = reports ? report(error) : error instanceof PeerError ? error.exitCode : 1
  // All processes are here, and can leave in order.
  if (isAgreed(error)) return part(world, code)
  if (reports) return world.abort(code)
  await sleep(lingerMs)
  return exitAfter(code)
}

/** Leaves the job without waiting long: its launcher may be ending it, or gone. */
async function part(world: World, code: number): Promise<number> {
  const closed = world.close().then(
    () => true,
    () => false,
  )
  return (await Promise.race([closed, sleep(partMs).then(() => false)])) ? code : endNow(code)
}

/** Ends the process whose MPI does not come to an end: exit() would wait for its thread. */
function endNow(code: number): Promise<never> {
  const signal = code === interruptedCode ? 'SIGINT' : 'SIGKILL'
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  return new Promise(() => {})
}

/** Ends the process although something is still there: a request, the thread that speaks MPI. */
function exitAfter(code: number): never {
  process.exit(code)
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs))
}
