// Which file stands at a position of a list that DLIO works on: arithmetic where nothing is shuffled, shared memory where something is.

/** Files dealt out to numbered subfolders (file i to folder i mod folders), walked folder by folder. */
interface ByFolder {
  readonly folders: number
  /** Files of the fuller folders, which come first, and how many positions those take. */
  readonly most: number
  readonly positionsInFuller: number
}

/** A list of file indices: position → file index. */
export class FileMap {
  private constructor(
    readonly count: number,
    private readonly list: Uint32Array | null,
    private readonly byFolder: ByFolder | null,
    private readonly base: number,
    private readonly stride: number,
  ) {}

  /** Files base, base + stride, base + 2·stride, … */
  static strided(count: number, base = 0, stride = 1): FileMap {
    return new FileMap(count, null, null, base, stride)
  }

  /** The file indices in `list` from `offset` on. The list may change from epoch to epoch under the map. */
  static listed(list: Uint32Array, offset: number, count: number): FileMap {
    return new FileMap(count, list, null, offset, 1)
  }

  /** Files 0 … count−1 of which file i lies in folder i mod folders, in the order of the folders. */
  static byFolder(count: number, folders: number): FileMap {
    const fuller = count % folders
    const most = Math.floor(count / folders) + 1
    return new FileMap(count, null, { folders, most, positionsInFuller: fuller * most }, 0, 1)
  }

  at(position: number): number {
    const at = this.base + this.stride * position
    if (this.list !== null) return this.list[at]!
    return this.byFolder === null ? at : fileByFolder(this.byFolder, at)
  }

  /** Every `step`-th file from `first` on. */
  everyNth(first: number, step: number): FileMap {
    const count = Math.max(0, Math.ceil((this.count - first) / step))
    return new FileMap(count, this.list, this.byFolder, this.base + this.stride * first, this.stride * step)
  }
}

function fileByFolder({ folders, most, positionsInFuller }: ByFolder, position: number): number {
  const inFuller = position < positionsInFuller
  const rest = inFuller ? position : position - positionsInFuller
  const size = inFuller ? most : most - 1
  const folder = Math.floor(rest / size)
  const number = rest - folder * size
  return (inFuller ? folder : folder + positionsInFuller / most) + number * folders
}
