// Ending a run before its time: by Ctrl-C, with its launcher, and by force where a read never returns.

/** How often the parent is looked for. Open MPI's library ends orphans by itself, so there is little time to keep what was measured. */
const parentWatchMs = 200

export interface Interruption {
  readonly signal: AbortSignal
  /** Stops listening. */
  end(): void
}

/** Aborts on SIGINT and SIGTERM. `followsParent`: and when the process that started this one has died, as mpirun's children must. */
export function listenForInterruption({ followsParent = false } = {}): Interruption {
  const controller = new AbortController()
  const interrupt = () => controller.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  const parent = process.ppid
  // Under Ctrl-C mpirun quits without a signal to its ranks.
  const watch = followsParent ? setInterval(() => process.ppid !== parent && interrupt(), parentWatchMs) : undefined
  watch?.unref()
  return {
    signal: controller.signal,
    end() {
      clearInterval(watch)
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    },
  }
}

/** Ends this process as the signal does. exit() would wait for threads that hang in a read. */
export function endByForce(signal: 'SIGINT' | 'SIGKILL'): void {
  process.stderr.write('error: a read does not return; ending by force\n')
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
