// The folder of a run as Hydra leaves it: config.yaml, hydra.yaml and overrides.yaml in one subfolder (hydra/core/utils.py: run_job).

import { join } from 'node:path'
import { type ConfigNode, mapNode } from '../../config/tree.js'
import { StorageError } from '../../errors.js'
import { writeAtomically } from '../../output/atomic.js'
import { makeFolders } from '../../storage/folders.js'
import { select } from './apply.js'
import type { Composition } from './compose.js'
import { textList } from './hydra-node.js'
import { dumpYaml, plainNode } from './pyyaml.js'

/** hydra.yaml's text with the run's folder filled in. */
export function hydraYaml({ hydra }: Composition, outputDir?: string): string {
  const runtime = select(hydra, ['runtime'])
  const filled =
    outputDir === undefined || runtime?.kind !== 'map'
      ? hydra
      : mapNode(
          withEntry(hydra.entries, 'runtime', mapNode(withEntry(runtime.entries, 'output_dir', plainNode(outputDir)), runtime.origin)),
          hydra.origin,
        )
  return dumpYaml(plainNode({ hydra: filled }))
}

function withEntry(entries: ReadonlyMap<string, { key: ConfigNode['origin']; value: ConfigNode }>, key: string, value: ConfigNode) {
  return new Map(entries).set(key, { key: value.origin, value })
}

/** Creates the run's folder and writes Hydra's three files into its subfolder, which `null` leaves out. Throws StorageError. */
export function writeRunFolder(composition: Composition, outputDir: string, subdir: string | undefined): void {
  const folder = subdir === undefined ? outputDir : join(outputDir, subdir)
  try {
    makeFolders(folder)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new StorageError(folder, 'create', `${message}; choose another folder with ++hydra.run.dir=DIR`, code)
  }
  if (subdir === undefined) return
  writeAtomically(join(folder, 'config.yaml'), dumpYaml(composition.job))
  writeAtomically(join(folder, 'hydra.yaml'), hydraYaml(composition, outputDir))
  writeAtomically(join(folder, 'overrides.yaml'), dumpYaml(textList(composition.taskOverrides.map(({ text }) => text))))
}
