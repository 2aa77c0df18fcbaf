// What two runs of one command line have in common in DLIO's JSON files: keys, their order, types, lengths of lists; not times and machines.

/** Facts of the machine, one string a fact, which differ from machine to machine and from kernel to kernel. */
const machineFacts = /("host_(?:cpuinfo|meminfo)": )\{[^{}]*\}/g

const token = /"(?:[^"\\]|\\.)*"(\s*:)?|-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity)|NaN/g

/**
 * The text of a JSON file as Python writes it, each value replaced by its type: `S` text, `F` float, `I` integer. Layout and keys stay, so
 * that equal shapes mean equal keys in equal order, equal types, equal numbers of steps, and the same white space.
 */
export function jsonShape(text: string): string {
  return text
    .replace(machineFacts, '$1{}')
    .replace(token, (value, colon: string | undefined) => {
      if (value.startsWith('"')) return colon === undefined ? 'S' : value
      return /^-?\d+$/.test(value) ? 'I' : 'F'
    })
    .replace(/\[[\sF,]+\]/g, (list) => `[${list.split(',').length} × F]`)
}

/** The facts themselves must be there and be text. */
export function factsAreText(text: string): boolean {
  const blocks = [...text.matchAll(machineFacts)].map(([block]) => block)
  return blocks.length > 0 && blocks.every((block) => /\{\s*"[^"]+": "/.test(block) && !/": [^"{]/.test(block))
}
