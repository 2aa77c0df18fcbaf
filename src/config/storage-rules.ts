// The `storage` section: its options, and where it puts the data.
import { ConfigError } from '../errors.js'
import { checkOptions, misspelt } from '../storage/object/options.js'
import { type Located, locateData } from './location.js'
import { isSecret } from './problems.js'
import type { AllValues } from './read-section.js'
import type { Report } from './report.js'
import type { ConfigNode } from './tree.js'

/** MLCommons' DLIO copies `storage_library` into the options. */
export function storageOptions({ storage }: Pick<AllValues, 'storage'>): Readonly<Record<string, unknown>> {
  const { storage_library: library, storage_options: options } = storage.values
  return { ...options, ...(library === null ? {} : { storage_library: library }) }
}

/** Where `folder` lies under the section's root. Throws ConfigError where the two make no URI. */
export function locateFolder(all: Pick<AllValues, 'storage'>, folder: string): Located {
  const { storage_type: type, storage_root: root } = all.storage.values
  const { uri_scheme: scheme } = storageOptions(all)
  return locateData(type, root, folder, typeof scheme === 'string' ? scheme.replace(/:\/\/$/, '') : undefined)
}

/** The data folder of a configuration. Throws ConfigError. */
export function locateStorage(all: Pick<AllValues, 'storage' | 'dataset'>): Located {
  return locateFolder(all, all.dataset.values.data_folder)
}

/** Checks the section; names that resemble an option and are none are told, as DLIO would silently run without them. */
export function checkStorage(all: AllValues, report: Report): void {
  const { storage, dataset } = all
  const path = 'storage.storage_options'
  const given = storage.values.storage_options ?? {}
  const node = storage.given('storage_options')
  if (node !== undefined)
    for (const { option, rule, remedy } of checkOptions(given)) {
      const value = given[option]
      const shown = isSecret(option) ? '(hidden)' : JSON.stringify(value)
      const own = node.kind === 'map' ? node.entries.get(option)?.value : undefined
      report.problem((own ?? node).origin, `${path}.${option}`, { rule, remedy, value: shown })
    }
  for (const [name, near] of misspelt(given))
    report.warn('unknown-option', `${path}.${name} is no option here and has no effect; did you mean ${near}?`)
  if (storage.broken('storage_root')) return
  const folder = dataset.given('data_folder')
  // DLIO would put the data set right where it was started.
  if (folder !== undefined && dataset.values.data_folder === '' && storage.given('storage_root') === undefined)
    report.badValue(folder, 'dataset.data_folder', {
      rule: 'must be text that is not empty, unless storage.storage_root is given and is the folder itself',
      remedy: 'give the folder, or delete the key for the default, ./data/',
    })
  else if (!dataset.broken('data_folder')) checkFolder(all, dataset.values.data_folder, folder, 'dataset.data_folder', report)
  const { workflow, checkpoint } = all
  if (!workflow.values.checkpoint || checkpoint.broken('checkpoint_folder')) return
  const checkpoints = checkpoint.given('checkpoint_folder')
  checkFolder(all, checkpoint.values.checkpoint_folder, checkpoints, 'checkpoint.checkpoint_folder', report)
}

function checkFolder(all: AllValues, folder: string, given: ConfigNode | undefined, path: string, report: Report): void {
  try {
    locateFolder(all, folder)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const root = all.storage.given('storage_root')
    const culprit = given ?? root
    if (culprit === undefined) throw error
    report.badValue(culprit, culprit === root ? 'storage.storage_root' : path, { rule: error.message.replace(/^.*?: /, '') })
  }
}
