// Numbers and colours for people.

/** `1,234,567`: grouped, without fraction. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Three or more significant digits without exponent: `1,234`, `123`, `12.3`, `1.23`, `0.0123`. */
export function shortNumber(value: number): string {
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size >= 99.95) return grouped(value)
  if (size >= 9.995) return value.toFixed(1)
  if (size >= 0.9995) return value.toFixed(2)
  return String(Number(value.toPrecision(2)))
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let scaledValue = value
  let unit = 0
  while (scaledValue >= base && unit < units.length - 1) {
    scaledValue /= base
    unit++
  }
  return `${shortNumber(scaledValue)} ${units[unit]}`
}

/** A size in decimal units, `1.23 GB`. */
export function decimalBytes(sizeBytes: number): string {
  return scaled(sizeBytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB'])
}

/** A size in binary units, `1.15 GiB`. */
export function binaryBytes(sizeBytes: number): string {
  return scaled(sizeBytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'])
}

/** `850 ms`, `12.3 s`, `4:05` (min:s), `1:04:05` (h:min:s). */
export function shortDuration(seconds: number): string {
  if (seconds < 1) return `${shortNumber(seconds * 1000)} ms`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.floor(whole / 60)
  return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`
}

export interface Palette {
  bold(text: string): string
  dim(text: string): string
  good(text: string): string
  bad(text: string): string
  warn(text: string): string
}

const plain = (text: string) => text
const sgr = (code: number) => (text: string) => `\x1b[${code}m${text}\x1b[0m`

/** Colours, or none: where nobody looks, where NO_COLOR is set (to anything but nothing), or on a dumb terminal. */
export function paletteFor(isTty: boolean, environment: NodeJS.ProcessEnv): Palette {
  if (!isTty || (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb')
    return { bold: plain, dim: plain, good: plain, bad: plain, warn: plain }
  return { bold: sgr(1), dim: sgr(2), good: sgr(32), bad: sgr(31), warn: sgr(33) }
}

/** Keeps control characters (a file name may hold any) from steering the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach the terminal
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '�')
}
