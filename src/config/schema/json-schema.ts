// The schema of a workload file as JSON Schema, from which editors complete keys and mark slips.
import { toJSONSchema } from 'zod/v4/core'
import { sections, topLevel } from './index.js'
import type { KeySpec, Section } from './key.js'
import { generalProfileKey, profileAliases, profileSections, profilesKey } from './profiles.js'

type Json = Readonly<Record<string, unknown>>

interface ObjectSchema {
  readonly properties: Record<string, unknown>
}

/** JSON Schema (draft 7, which editors know best) of a workload file: sections at the top, or below `workload:`. */
export function workloadJsonSchema(): Json {
  const properties = workloadProperties()
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'DLIO workload',
    description: 'Workload of DLIO and dl-driver. Made from the schema of dl-driver by scripts/config-docs.mjs.',
    type: 'object',
    properties: {
      workload: { ...object(properties, 'The workload, where the sections do not stand at the top.'), type: 'object' },
      defaults: { description: 'Of Hydra: files that this one is composed from.' },
      hydra: { description: 'Of Hydra.', type: 'object' },
      ...properties,
    },
    additionalProperties: false,
    definitions: Object.fromEntries(
      [...Object.values<Section>(sections), ...Object.values<Section>(profileSections)].map((section) => [
        section.name,
        sectionSchema(section),
      ]),
    ),
  }
}

const reference = (name: string): Json => ({ $ref: `#/definitions/${name}` })

function workloadProperties(): Record<string, unknown> {
  const properties: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(topLevel.keys)) properties[name] = keySchema(spec)
  for (const { name, aliases = [] } of Object.values<Section>(sections))
    for (const own of [name, ...aliases]) properties[own] = reference(name)
  properties.model = { anyOf: [reference('model'), { type: 'string', description: 'The name alone, as before DLIO 2.1.' }] }
  const profiles = Object.entries<Section>(profileSections).map(([framework, { name }]) => [framework, reference(name)] as const)
  properties[profilesKey] = object(Object.fromEntries(profiles), "The framework's own rules instead of DLIO's.")
  properties[generalProfileKey] = {
    description: 'The profile of whichever framework applies.',
    anyOf: profiles.map(([, schema]) => schema),
  }
  for (const [alias, framework] of profileAliases) properties[alias] = reference(profileSections[framework].name)
  return properties
}

/** A section: keys with a dot stand in a mapping of their own. A section without keys is null in YAML. */
function sectionSchema({ name: section, keys, notRead = {} }: Section): Json {
  const properties: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(keys)) {
    const [outer, inner] = name.split('.') as [string, string?]
    if (inner === undefined) properties[name] = keySchema(spec)
    else {
      properties[outer] ??= object({})
      ;(properties[outer] as ObjectSchema).properties[inner] = keySchema(spec)
    }
  }
  for (const [name, meant] of Object.entries(notRead))
    properties[name] = { description: `DLIO does not read this key: ${meant} is what is meant.`, deprecated: true, doNotSuggest: true }
  return object(properties, `Section ${section}.`)
}

function object(properties: Record<string, unknown>, description?: string): Json {
  return { ...(description === undefined ? {} : { description }), type: ['object', 'null'], properties, additionalProperties: false }
}

function keySchema({ kind, doc, unit, default: value, ignored, mlcommonsOnly }: KeySpec<unknown>): Json {
  const { $schema: _, ...schema } = kind.json ?? (toJSONSchema(kind.schema(), { target: 'draft-7' }) as Json)
  const notes = [
    unit === undefined ? '' : `Unit: ${unit}.`,
    ignored ? 'Without effect.' : '',
    mlcommonsOnly ? "Only MLCommons' DLIO knows it." : '',
  ]
  const isPlain = value !== null && value !== undefined && typeof value !== 'object'
  return {
    description: [doc, ...notes.filter((note) => note !== '')].join(' '),
    ...schema,
    ...(isPlain ? { default: value } : {}),
  }
}
