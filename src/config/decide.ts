// Which framework and data loader apply, and why.
import type { AllValues } from './read-section.js'
import { placeOf, type Report } from './report.js'
import { commandLine } from './tree.js'
import type { DataLoaderName, FrameworkName } from './workload.js'

export interface FrameworkDecision {
  readonly framework: FrameworkName
  readonly reason: string
  readonly dataLoader: DataLoaderName
}

/**
 * `--framework`, else the configuration's, else DLIO's default. The data loader is the configuration's, else the framework's own; the
 * loader that a file names for another framework follows `--framework`, one that an override names does not.
 */
export function decideFramework(all: AllValues, asked: FrameworkName | undefined, report: Report): FrameworkDecision {
  if (asked === 'jax') {
    const origin = { source: { name: commandLine, lines: ['--framework jax'] } }
    report.problem(origin, 'framework', {
      rule: 'the data loading of JAX is not replayed yet',
      remedy: 'use --framework pytorch or tensorflow',
    })
  }
  const node = all.topLevel.given('framework')
  const configured = all.topLevel.values.framework
  const framework = asked ?? configured
  const place = node && (node.origin.source.name === commandLine ? 'an override' : placeOf(node.origin))
  const reason = asked ? '--framework' : place ? `framework: ${configured} in ${place}` : "DLIO's default; the configuration names none"
  const loaderNode = all.reader.given('data_loader')
  const own: DataLoaderName = framework === 'pytorch' ? 'pytorch' : 'tensorflow'
  const named = all.reader.values.data_loader
  if (named === null) return { framework, reason, dataLoader: own }
  const foreign = own === 'pytorch' ? 'tensorflow' : 'pytorch'
  if (asked && named === foreign && loaderNode?.origin.source.name !== commandLine) {
    report.warn('framework-override', `--framework ${asked} goes before the configuration: reader.data_loader is ${own}, not ${named}`)
    return { framework, reason, dataLoader: own }
  }
  return { framework, reason, dataLoader: named }
}
