// Doing things together: either all processes succeed, or all fail with one error, told once.
import { PeerError } from './errors.js'
import type { World } from './world.js'

/** Errors that all processes know of, so that nobody is left waiting: each may leave the job in an orderly way. */
const agreed = new WeakSet<Error>()

/** Whether all processes have thrown because of this error. */
export function isAgreed(error: unknown): boolean {
  return error instanceof Error && agreed.has(error)
}

/**
 * Collective: runs `action` on every process and returns its value once it has succeeded everywhere. Where it failed on some, the first of
 * them throws its error and all others a PeerError with the same exit code.
 */
export async function together<Value>(world: World, action: () => Value | Promise<Value>): Promise<Value> {
  if (world.processes === 1) return action()
  let value: Value | undefined
  let failure: Error | undefined
  try {
    value = await action()
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error))
  }
  const failures = await world.allGather(
    failure && { message: failure.message, exitCode: (failure as { exitCode?: number }).exitCode ?? 1 },
  )
  const first = failures.findIndex((each) => each !== undefined)
  if (first < 0) return value as Value
  const { message, exitCode } = failures[first]!
  const error = failure !== undefined && first === world.process ? failure : new PeerError(first, message, exitCode)
  agreed.add(error)
  throw error
}

/** Collective: runs `action` on process 0 alone; the others wait for its end. */
export async function onFirst(world: World, action: () => void | Promise<void>): Promise<void> {
  await together(world, () => (world.process === 0 ? action() : undefined))
}

/** Listing on process 0 instead of everywhere, and the like: everybody gets what process 0 finds. */
export async function fromFirst<Value>(world: World, find: () => Value | Promise<Value>): Promise<Value> {
  if (world.processes === 1) return find()
  const found = await together(world, () => (world.process === 0 ? find() : undefined))
  return world.broadcast(found as Value)
}
