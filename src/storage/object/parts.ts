// Cutting what is appended into parts of one size and keeping a few of them in flight; providers only say how a part is sent.

export interface PartSink {
  /** Sends part `number` (from 0); the bytes stay as they are until the promise is fulfilled. */
  part(number: number, bytes: Uint8Array): Promise<void>
}

/**
 * Gathers bytes into parts. `append` may be called again before the last call is fulfilled: bytes count in the order of the calls. A failed
 * part fails all later calls.
 */
export class PartWriter {
  readonly #sink: PartSink
  readonly #partSizeBytes: number
  readonly #mostInFlight: number
  readonly #flights = new Set<Promise<void>>()
  readonly #spare: Uint8Array[] = []
  #gathered: Uint8Array | undefined
  #gatheredBytes = 0
  #failure: unknown
  #next: number
  #byteLength = 0

  /**
   * @param firstPart number of the first part
   * @param mostInFlight parts on their way beyond which `append` lets its caller wait
   */
  constructor(sink: PartSink, partSizeBytes: number, firstPart: number, mostInFlight: number) {
    this.#sink = sink
    this.#partSizeBytes = partSizeBytes
    this.#next = firstPart
    this.#mostInFlight = mostInFlight
  }

  /** Bytes appended so far. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** Number of the next part. */
  get nextPart(): number {
    return this.#next
  }

  /** What has been gathered and not sent. */
  get rest(): Uint8Array {
    return this.#gathered?.subarray(0, this.#gatheredBytes) ?? new Uint8Array(0)
  }

  /** Fulfilled when `bytes` may be reused and there is room for more. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#throwFailure()
    const borrowed: Promise<void>[] = []
    for (let done = 0; done < bytes.length; ) {
      // Whole parts go out straight from the caller's memory.
      const length = Math.min(bytes.length - done, this.#partSizeBytes - this.#gatheredBytes)
      const piece = bytes.subarray(done, done + length)
      done += length
      this.#byteLength += length
      if (length === this.#partSizeBytes) borrowed.push(this.#send(piece, () => {}))
      else this.#gather(piece)
    }
    await Promise.all(borrowed)
    while (this.#flights.size >= this.#mostInFlight && this.#failure === undefined) await Promise.race(this.#flights)
    this.#throwFailure()
  }

  /** Sends the rest as the last part and waits for all parts. */
  async finish(): Promise<void> {
    if (this.#gatheredBytes > 0) this.#sendGathered()
    await this.settle()
    this.#throwFailure()
  }

  /** Fails all later calls with `reason`; what is in flight goes on. */
  refuse(reason: Error): void {
    this.#failure ??= reason
  }

  /** Waits for what is in flight, whatever becomes of it. */
  async settle(): Promise<void> {
    while (this.#flights.size > 0) await Promise.all(this.#flights)
  }

  #gather(piece: Uint8Array): void {
    this.#gathered ??= this.#spare.pop() ?? new Uint8Array(this.#partSizeBytes)
    this.#gathered.set(piece, this.#gatheredBytes)
    this.#gatheredBytes += piece.length
    if (this.#gatheredBytes === this.#partSizeBytes) this.#sendGathered()
  }

  #sendGathered(): void {
    const memory = this.#gathered!
    const bytes = memory.subarray(0, this.#gatheredBytes)
    this.#gathered = undefined
    this.#gatheredBytes = 0
    void this.#send(bytes, () => this.#spare.push(memory))
  }

  /** Never rejects: a failure is kept for the next call. */
  #send(bytes: Uint8Array, onSent: () => void): Promise<void> {
    const flight: Promise<void> = this.#sink
      .part(this.#next++, bytes)
      .then(onSent, (error: unknown) => {
        this.#failure ??= error ?? new Error('a part could not be sent')
      })
      .finally(() => this.#flights.delete(flight))
    this.#flights.add(flight)
    return flight
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}
