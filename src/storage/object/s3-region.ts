// The region that requests are signed for. Servers of one's own have one too (MinIO's, Garage's, Swift's setting), and tell it when it was guessed wrong.
import { codeOf, statusOf } from './failure.js'
import { guessedRegion } from './settings.js'

/** The region that an error of AuthorizationHeaderMalformed asks for: in an element of its own, or in its words. */
export function regionIn(error: unknown): string | undefined {
  if (codeOf(error) !== 'AuthorizationHeaderMalformed') return undefined
  const { Region, message } = error as { Region?: unknown; message?: string }
  if (typeof Region === 'string' && isRegion.test(Region)) return Region
  return /expecting\s+(['"])([A-Za-z0-9._-]{1,40})\1/.exec(message ?? '')?.[2]
}

const isRegion = /^[A-Za-z0-9._-]{1,40}$/
/** A refusal as malformed without a body. */
const isWordless = (error: unknown) => statusOf(error) === 400 && /^(?:BadRequest)?$/.test(codeOf(error) ?? '')

export class SigningRegion {
  #region: string
  #asked: Promise<void> | undefined

  /** @param configured the region of configuration or environment; undefined without one */
  constructor(configured: string | undefined) {
    this.#region = configured ?? guessedRegion
  }

  get current(): string {
    return this.#region
  }

  /**
   * Runs a request, and once more where the server wants it signed for another region. A refused HEAD has no body to say so: `probe`, any
   * request that is answered with a body, is run then.
   */
  async following<T>(request: () => Promise<T>, probe: () => Promise<unknown>): Promise<T> {
    const before = this.#region
    try {
      return await request()
    } catch (error) {
      if (isWordless(error)) {
        this.#asked ??= probe().then(
          () => {},
          (said) => this.#learn(said),
        )
        await this.#asked
      } else this.#learn(error)
      if (this.#region === before) throw error
      return request()
    }
  }

  #learn(error: unknown): void {
    this.#region = regionIn(error) ?? this.#region
  }
}
