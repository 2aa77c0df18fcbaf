// Numbers of a report, always with their units.
import { binaryBytes, decimalBytes, grouped, shortDuration, shortNumber } from '../output/text.js'
import { exact, html, type Markup } from './markup.js'

/** `125 µs`, `2.66 ms`, `1.20 s`. */
export function microsecondsText(us: number): string {
  if (us > 0 && us < 0.01) return '< 0.01 µs'
  if (us < 999.5) return `${shortNumber(us)} µs`
  if (us < 999_500) return `${shortNumber(us / 1000)} ms`
  return us < 59.95e6 ? `${shortNumber(us / 1e6)} s` : shortDuration(us / 1e6)
}

/** For axes: `40 MB` and `1.2 GB` where {@link decimalBytes} has `40.0 MB` and `1.20 GB`. */
export function tickBytes(sizeBytes: number): string {
  return decimalBytes(sizeBytes).replace(/\.(\d*?)0+ /, (_, digits: string) => (digits === '' ? ' ' : `.${digits} `))
}

/** For axes: `1,000`, `75`, `2.5`. */
export function tickNumber(value: number): string {
  return value >= 1000 ? grouped(value) : String(Number(value.toPrecision(4)))
}

/** In place of a number that was not measured. */
export const none = html`<span class="none">–</span>`

/** A number in a unit, or a dash where it was not measured. */
function number(text: (value: number) => string): (value: number | null | undefined) => Markup {
  return (value) => (value === null || value === undefined || !Number.isFinite(value) ? none : exact(value, text(value)))
}

export const percent = number(
  (value) => `${value > 0 && value < 0.005 ? '< 0.01' : value.toFixed(value !== 0 && Math.abs(value) < 1 ? 2 : 1)} %`,
)
export const plain = number((value) => (Number.isInteger(value) ? grouped(value) : shortNumber(value)))
export const bytes = number(decimalBytes)
export const byteRate = number((value) => `${decimalBytes(value)}/s`)
/** Both kinds of units, as vendors' sheets and DLIO use one each. */
export const byteRates = number((value) => `${decimalBytes(value)}/s (${binaryBytes(value)}/s)`)
export const memory = number(binaryBytes)
export const sampleRate = number((value) => `${shortNumber(value)} samples/s`)
export const seconds = number((value) => microsecondsText(value * 1e6))
export const milliseconds = number((value) => microsecondsText(value * 1000))
export const microseconds = number(microsecondsText)
