// Keeps reader threads supplied with credentials: new ones are fetched before the present ones expire, and when the storage refuses them.
import type { ObjectAccess } from '../storage/object/read-options.js'
import type { AccessGrant } from '../storage/object/types.js'

/** How long before they expire new credentials are fetched. */
const leadMs = 120_000
const againMs = 10_000
/** Longest delay that a timer can have. */
const longestMs = 2 ** 31 - 1

export class GrantKeeper {
  private timer: NodeJS.Timeout | undefined
  private asking = false
  private stopped = false

  constructor(
    private readonly access: Pick<ObjectAccess, 'grant' | 'renew'>,
    /** Hands a grant to all threads. */
    private readonly send: (grant: AccessGrant) => void,
    /** Ends the run. */
    private readonly fail: (error: Error) => void,
  ) {
    this.schedule(access.grant)
  }

  /** A thread's credentials were refused as expired. */
  wanted(): void {
    this.ask((error) => this.fail(error))
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }

  private schedule({ expiresAtMs }: AccessGrant): void {
    clearTimeout(this.timer)
    if (expiresAtMs === undefined || this.stopped) return
    const leftMs = expiresAtMs - Date.now()
    // Of short-lived ones half of the life is left to fetch others.
    this.askIn(Math.max(leftMs - leadMs, leftMs / 2))
  }

  private askIn(delayMs: number): void {
    // Nothing is lost where it fails: it is tried again, and once they have expired the storage says so.
    this.timer = setTimeout(() => this.ask(() => this.askIn(againMs)), Math.min(Math.max(delayMs, 1000), longestMs))
    this.timer.unref()
  }

  private ask(onError: (error: Error) => void): void {
    if (this.asking || this.stopped) return
    this.asking = true
    this.access.renew().then(
      (grant) => {
        this.asking = false
        if (this.stopped) return
        this.send(grant)
        this.schedule(grant)
      },
      (error) => {
        this.asking = false
        if (!this.stopped) onError(error)
      },
    )
  }
}
