// A thread's part of the shared memory, given out in blocks. Only this thread takes and moves blocks; whoever uses one gives it back by
// clearing its first word. The lowest place that fits is taken, so that the memory in use stays small and in the processor's cache.
import { blockWord, roundUp } from './layout.js'

/** Blocks begin at multiples of this, so that frameworks which want aligned memory (TensorFlow, XLA) need no copy. */
export const blockAlignment = 4096

interface Block {
  readonly begin: number
  end: number
}

export class Arena {
  /** In use, ascending. */
  private blocks: Block[] = []

  /** @param words the whole memory; the arena is its bytes [begin, end) */
  constructor(
    private readonly words: Int32Array,
    readonly begin: number,
    readonly end: number,
  ) {}

  get byteLength(): number {
    return this.end - this.begin
  }

  /** Blocks that somebody still uses. */
  get used(): number {
    this.reclaim()
    return this.blocks.length
  }

  /** Takes a block of at least `byteLength` bytes; returns where in the memory it begins, or −1 where none is free. */
  take(byteLength: number): number {
    this.reclaim()
    const wanted = roundUp(byteLength, blockAlignment)
    let begin = this.begin
    let index = 0
    for (; index < this.blocks.length; index++) {
      const block = this.blocks[index]!
      if (block.begin - begin >= wanted) break
      begin = block.end
    }
    if (this.end - begin < wanted) return -1
    this.blocks.splice(index, 0, { begin, end: begin + wanted })
    Atomics.store(this.words, begin / 4 + blockWord.used, 1)
    return begin
  }

  /** The end of the block at `begin`. */
  endOf(begin: number): number {
    return this.block(begin).end
  }

  /** Makes the block end at `end`, where what follows is free; false where it is not. */
  resize(begin: number, end: number): boolean {
    this.reclaim()
    const index = this.blocks.findIndex((block) => block.begin === begin)
    const next = this.blocks[index + 1]?.begin ?? this.end
    const wanted = roundUp(end, blockAlignment)
    if (wanted > next) return false
    this.blocks[index]!.end = wanted
    return true
  }

  /** Gives a block back on behalf of whoever used it. */
  free(begin: number): void {
    Atomics.store(this.words, begin / 4 + blockWord.used, 0)
  }

  private block(begin: number): Block {
    return this.blocks.find((block) => block.begin === begin)!
  }

  private reclaim(): void {
    if (this.blocks.some((block) => this.isFree(block))) this.blocks = this.blocks.filter((block) => !this.isFree(block))
  }

  private isFree({ begin }: Block): boolean {
    return Atomics.load(this.words, begin / 4 + blockWord.used) === 0
  }
}
