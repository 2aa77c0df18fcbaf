// What DLIO's image generators ask of a file: one grey image, whatever the number of samples; MLCommons' write its pixels without a container.
import { ConfigError } from '../../errors.js'
import { appendContent } from '../content.js'
import type { ContentSource, FileSpec, OutputFile } from '../types.js'

export interface ImageSize {
  readonly height: number
  readonly width: number
}

/** Height and width of the image of a file. `maxSide`: the format's own limit. @throws ConfigError for what an image cannot be */
export function imageSize(spec: FileSpec, name: string, maxSide: number): ImageSize {
  const [height, width, ...more] = spec.dims
  if (height === undefined || width === undefined || more.length > 0)
    throw new ConfigError(`record_dims [${spec.dims.join(', ')}]: a ${name} file holds 2 dimensions, [height, width]`)
  if (![height, width].every((side) => Number.isInteger(side) && side >= 1 && side <= maxSide))
    throw new ConfigError(`a ${name} image of ${height} × ${width} pixels is not possible: each side is 1 to ${maxSide}`)
  return { height, width }
}

/** Writes the pixels alone. */
export function writeRaw({ height, width }: ImageSize, content: ContentSource, out: OutputFile): void {
  appendContent(content, height * width, (piece) => out.append(piece))
}
