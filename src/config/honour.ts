// Settings of which DLIO makes something else than they say, and which `--honour` takes at their word.
import { ConfigError } from '../errors.js'
import { printable } from './problems.js'
import { nearest } from './suggest.js'
import { type MapNode, mapNode, nodeAt } from './tree.js'

/** Each setting with what it then means. The keys are DLIO's; the texts are for `--help` and documents. */
export const honourable = {
  file_shuffle: '`reader.file_shuffle: off` is off',
  read_type: '`reader.read_type: on_demand` opens a file for each sample',
  compression: '`dataset.compression: zip` compresses npz files',
  model_size: '`model.model_size` is the size of the flat checkpoint blob, where `model_size_bytes` is not given',
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

/** The workload with the keys that DLIO does not read under the names of those that it does. */
export function withHonouredKeys(workload: MapNode, honoured: readonly HonourName[]): MapNode {
  const model = workload.entries.get('model')
  const size = nodeAt(workload, ['model', 'model_size'])
  if (!honoured.includes('model_size') || model?.value.kind !== 'map' || size === undefined) return workload
  const keys = new Map(model.value.entries)
  const given = keys.get('model_size')!
  keys.delete('model_size')
  if (!keys.has('model_size_bytes')) keys.set('model_size_bytes', given)
  return mapNode(new Map(workload.entries).set('model', { key: model.key, value: mapNode(keys, model.value.origin) }), workload.origin)
}
