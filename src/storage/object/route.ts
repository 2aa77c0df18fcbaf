// What happens between attempts: credentials that have expired are renewed, redirects are followed, and fetches sleep so that they can be woken.
import type { RetryPolicy, Verdict } from '../wrappers/retry.js'
import type { Destination, HttpClient } from './http/client.js'
import type { HttpFault } from './http/faults.js'
import type { AccessGrant } from './types.js'

const mostRedirects = 3
/** How long new credentials may take to arrive. */
const renewalMs = 30_000

/** What all fetches of a thread share. */
export class Route {
  private renewal: { readonly promise: Promise<void>; readonly settle: () => void } | undefined
  /** Counts the grants. */
  generation = 0
  /** Until a server has refused If-Match for an object that had not changed. */
  sendsIfMatch = true

  constructor(
    readonly client: HttpClient,
    readonly policy: RetryPolicy,
    private readonly askForGrant: () => void,
  ) {}

  begin(): FetchRoute {
    return new FetchRoute(this)
  }

  /** Takes up new credentials; those who wait for them go on. */
  renew(grant: AccessGrant): void {
    const isNew = JSON.stringify(grant.signing) !== JSON.stringify(this.client.grant.signing)
    this.client.renew(grant)
    if (isNew) this.generation++
    this.renewal?.settle()
    this.renewal = undefined
  }

  /** Nobody waits for credentials any more. */
  close(): void {
    this.renewal?.settle()
    this.renewal = undefined
  }

  /** Resolves when new credentials have come, or none will. */
  awaitGrant(): Promise<void> {
    if (this.renewal !== undefined) return this.renewal.promise
    let settle = () => {}
    const promise = new Promise<void>((resolve) => {
      settle = resolve
    })
    this.renewal = { promise, settle }
    const timer = setTimeout(() => {
      this.renewal = undefined
      settle()
    }, renewalMs)
    promise.then(() => clearTimeout(timer))
    this.askForGrant()
    return promise
  }
}

/** The way of one fetch. */
export class FetchRoute {
  destination: Destination | undefined
  private redirects = 0
  /** The grants when the last attempt began, as far as known. */
  private generation: number
  /** New credentials were waited for, and none came. */
  private unanswered = false
  private awaitsGrant = false
  private wakeUp: (() => void) | undefined

  constructor(private readonly shared: Route) {
    this.generation = shared.generation
  }

  judge(fault: HttpFault, url: string, key: string): Verdict {
    if (fault.kind === 'redirect') return this.follow(fault, url, key)
    if (fault.kind === 'expired') return this.renew()
    if (!fault.retries) return { next: 'giveUp' }
    if (fault.kind === 'staleConnection') return { next: 'again' }
    return { next: 'retry', afterMs: fault.facts.retryAfterMs }
  }

  /** Sleeps, for new credentials first where they are awaited. */
  async sleep(durationMs: number): Promise<void> {
    if (this.awaitsGrant) {
      this.awaitsGrant = false
      await Promise.race([this.shared.awaitGrant(), this.wakeable()])
      this.unanswered = !this.takesNewGrant()
      return
    }
    const timer = setTimeout(() => this.wake(), durationMs)
    await this.wakeable()
    clearTimeout(timer)
  }

  wake(): void {
    this.wakeUp?.()
    this.wakeUp = undefined
  }

  private wakeable(): Promise<void> {
    return new Promise((resolve) => {
      this.wakeUp = resolve
    })
  }

  /** Credentials were refused: others are waited for, unless they have come since this fetch looked last. */
  private renew(): Verdict {
    if (this.unanswered) return { next: 'giveUp' }
    this.awaitsGrant = !this.takesNewGrant()
    return { next: 'retry' }
  }

  private takesNewGrant(): boolean {
    const { generation } = this.shared
    const isNew = generation !== this.generation
    this.generation = generation
    return isNew
  }

  private follow(fault: HttpFault, url: string, key: string): Verdict {
    const { client } = this.shared
    const { location, region, isPermanent } = fault.facts.redirect!
    if (++this.redirects > mostRedirects) return { next: 'giveUp' }
    if (region !== '' && client.grant.signing.kind === 'sigv4') client.useRegion(region)
    if (location === '') return { next: 'again' }
    let to: URL
    try {
      to = new URL(location, url)
    } catch {
      return { next: 'giveUp' }
    }
    const keyAt = to.pathname.length - key.length
    if (!mayFollow(client.grant, new URL(url), to) || keyAt < 1 || to.pathname.slice(keyAt) !== key) return { next: 'giveUp' }
    const destination = client.destination(to.origin, to.pathname.slice(0, keyAt))
    if (isPermanent) client.moveTo(destination)
    this.destination = isPermanent ? undefined : destination
    return { next: 'again' }
  }
}

/** Tokens and shared access signatures are secrets in themselves: they go to no other host than they were given for, and nothing goes from TLS to plain. */
function mayFollow({ signing }: AccessGrant, from: URL, to: URL): boolean {
  if (to.protocol !== 'http:' && to.protocol !== 'https:') return false
  if (from.protocol === 'https:' && to.protocol !== 'https:') return false
  return to.origin === from.origin || signing.kind === 'anonymous' || signing.kind === 'sigv4'
}
