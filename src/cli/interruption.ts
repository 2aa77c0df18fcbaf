// Ending a run before its time: by Ctrl-C, with its launcher, and by force where a read never returns or nobody wants to wait.
import { dependency } from '../package.js'

/** The exit code of an interrupted command. */
export const interruptedCode = 130
/** One Ctrl-C may come twice: from the terminal, and from a parent such as npm that hands it on. */
const sameMs = 250

/** How often the parent is looked for. Open MPI's library ends orphans by itself, so there is little time to keep what was measured. */
const parentWatchMs = 200

export interface Interruption {
  readonly signal: AbortSignal
  /** Stops listening. */
  end(): void
}

/**
 * Aborts on SIGINT and SIGTERM; another one ends the process at once. `followsParent`: aborts when the process that started this one has died, too,
 * as mpirun's children must, and leaves it to the launcher to end what is slow.
 */
export function listenForInterruption({ followsParent = false } = {}): Interruption {
  const controller = new AbortController()
  let interruptedMs = Number.NaN
  const interrupt = () => {
    if (!controller.signal.aborted) interruptedMs = performance.now()
    else if (!followsParent && performance.now() - interruptedMs > sameMs) endAtOnce(interruptedCode)
    controller.abort()
  }
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

/** Says that threads hang, and ends this process. */
export function endByForce(code: number): never {
  process.stderr.write('error: a read does not return; ending by force\n')
  return endAtOnce(code)
}

/** Ends this process in the middle of whatever its threads do: exit() would wait for those that hang in a read. */
function endAtOnce(code: number): never {
  try {
    dependency<typeof import('koffi')>('koffi').load(null).func('void _exit(int)')(code)
  } finally {
    // Where libc cannot be called.
    process.kill(process.pid, 'SIGKILL')
  }
  throw new Error('a killed process went on')
}
