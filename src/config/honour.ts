// Settings of which DLIO makes something else than they say, and which `--honour` takes at their word.
import { ConfigError } from '../errors.js'
import { printable } from './problems.js'
import { nearest } from './suggest.js'
import { type Entry, type MapNode, mapNode } from './tree.js'

/** Each setting with what it then means. The keys are DLIO's; the texts are for `--help` and documents. */
export const honourable = {
  file_shuffle: '`reader.file_shuffle: off` is off',
  read_type: '`reader.read_type: on_demand` opens a file for each sample',
  compression: '`dataset.compression: zip` compresses npz files',
  model_size: '`model.model_size` is the size of the flat checkpoint blob, where `model_size_bytes` is not given',
  record_length:
    '`dataset.record_length`, `…_stdev` and `…_resize`, the names before DLIO 2.1, are those with `_bytes` where these are not given',
} as const satisfies Record<string, string>

export type HonourName = keyof typeof honourable
export const honourNames = Object.keys(honourable) as HonourName[]

/**
 * The settings of `--honour A,B` or DL_DRIVER_HONOUR, in the order of the table, each once. Throws ConfigError for an unknown name.
 * @param where what the text was given with, for the error
 */
export function parseHonour(text: string, where: string): HonourName[] {
  const asked = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  for (const name of asked) {
    if ((honourNames as string[]).includes(name)) continue
    const near = nearest(name, honourNames)
    throw new ConfigError(
      `${where}: ${printable(name)} cannot be honoured${near ? `; did you mean ${near}?` : ''}; one or more of ${honourNames.join(',')} can`,
    )
  }
  return honourNames.filter((name) => asked.includes(name))
}

/** For each honour that is about names: the section, and the key that each name stands for. */
const renamed: Readonly<Partial<Record<HonourName, readonly [section: string, names: Readonly<Record<string, string>>]>>> = {
  model_size: ['model', { model_size: 'model_size_bytes' }],
  record_length: [
    'dataset',
    {
      record_length: 'record_length_bytes',
      record_length_stdev: 'record_length_bytes_stdev',
      record_length_resize: 'record_length_bytes_resize',
    },
  ],
}

/** The workload with the keys that DLIO does not read under the names of those that it does. */
export function withHonouredKeys(workload: MapNode, honoured: readonly HonourName[]): MapNode {
  const sections = new Map(workload.entries)
  for (const [section, names] of honoured.flatMap((name) => (renamed[name] ? [renamed[name]] : []))) {
    const found = sections.get(section)
    if (found?.value.kind !== 'map') continue
    const keys = new Map<string, Entry>()
    for (const [key, entry] of found.value.entries) {
      const meant = Object.hasOwn(names, key) ? names[key] : undefined
      if (meant === undefined) keys.set(key, entry)
      else if (!found.value.entries.has(meant)) keys.set(meant, entry)
    }
    sections.set(section, { key: found.key, value: mapNode(keys, found.value.origin) })
  }
  return mapNode(sections, workload.origin)
}

/** The honour that takes a name which DLIO does not read at its word. */
export function honourOfName(section: string, key: string): HonourName | undefined {
  return honourNames.find((name) => renamed[name]?.[0] === section && Object.hasOwn(renamed[name][1], key))
}
