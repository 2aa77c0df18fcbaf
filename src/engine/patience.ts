// Waiting for threads that were asked to end. Time alone does not tell one that hangs in a read from one that waits for its turn on a busy machine.

/** How often it is looked. */
const lookMs = 250
/** Share of a processor that the main thread may use for itself, showing progress. */
const ownShare = 0.02
/** Whatever the threads do. */
const mostMs = 20_000

/** What the process has used of the processors so far, in milliseconds. */
export const processorMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Calls `giveUp` once the process has done nothing for `graceMs` on end, by what it used of the processors, and after twenty seconds in any case.
 * Returns what ends the waiting.
 */
export function onceIdle(graceMs: number, giveUp: () => void, usedMs: () => number = processorMs): () => void {
  let lastMs = usedMs()
  let idleMs = 0
  let waitedMs = 0
  const timer = setInterval(() => {
    const nowMs = usedMs()
    idleMs = nowMs - lastMs > ownShare * lookMs ? 0 : idleMs + lookMs
    lastMs = nowMs
    waitedMs += lookMs
    if (idleMs < graceMs && waitedMs < mostMs) return
    clearInterval(timer)
    giveUp()
  }, lookMs)
  return () => clearInterval(timer)
}
