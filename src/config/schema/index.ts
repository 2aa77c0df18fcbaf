// Every key of DLIO, and the only place that knows them all. The JSON Schema and docs/config.md are made from here.
import { checkpoint } from './checkpoint.js'
import { dataset } from './dataset.js'
import { evaluation } from './evaluation.js'
import { topLevel } from './framework.js'
import type { Section } from './key.js'
import { model } from './model.js'
import { metric, output } from './output.js'
import { profiling } from './profiling.js'
import { reader } from './reader.js'
import { storage } from './storage.js'
import { train } from './train.js'
import { workflow } from './workflow.js'

/** In the order in which DLIO loads them (utils/config.py LoadConfig). */
export const sections = { storage, dataset, reader, train, evaluation, checkpoint, model, output, workflow, profiling, metric } as const

export { topLevel }

/** Other names of sections → their names. */
export const sectionAliases: ReadonlyMap<string, string> = new Map(
  Object.values<Section>(sections).flatMap(({ name, aliases = [] }) => aliases.map((alias) => [alias, name] as const)),
)
