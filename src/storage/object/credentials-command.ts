// The commands of credential_process: the AWS SDK starts them and waits for ever.
import type { ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Runs `action`; when `signal` aborts, those of `commands` that it has started are ended, and not waited for any more. */
export async function endingCommands<T>(commands: readonly string[], signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  const children: ChildProcess[] = []
  const note = (message: unknown) => children.push((message as { process: ChildProcess }).process)
  const end = () => {
    for (const child of children) {
      if (!commands.includes(child.spawnargs?.at(-1) ?? '')) continue
      child.kill()
      // What the command itself has started may live on and hold these.
      child.stdout?.destroy()
      child.stderr?.destroy()
      child.unref()
    }
  }
  subscribe('child_process', note)
  signal.addEventListener('abort', end)
  try {
    return await action()
  } finally {
    unsubscribe('child_process', note)
    signal.removeEventListener('abort', end)
  }
}
