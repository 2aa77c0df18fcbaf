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
 * `--framework`, else the configuration's, else that of the only profile, else DLIO's default. The data loader is the configuration's,
 * else the framework's own; the loader that a file names for another framework follows `--framework`, one that an override names does not.
 * @param profiles frameworks for which the configuration has a profile
 */
export function decideFramework(
  all: AllValues,
  asked: FrameworkName | undefined,
  profiles: readonly FrameworkName[],
  report: Report,
): FrameworkDecision {
  const { framework, reason } = frameworkOf(all, asked, profiles)
  const loaderNode = all.reader.given('data_loader')
  const own: DataLoaderName = framework
  const named = all.reader.values.data_loader
  if (named === null) return { framework, reason, dataLoader: own }
  const foreign = own !== named && (named === 'pytorch' || named === 'tensorflow')
  // DLIO has no word for JAX's loader, so a configuration that names another one for it has not decided anything.
  const follows = asked ? `--framework ${asked}` : framework === 'jax' ? 'the framework jax' : undefined
  if (foreign && follows && loaderNode?.origin.source.name !== commandLine) {
    report.warn('framework-override', `${follows} goes before the configuration: reader.data_loader is ${own}, not ${named}`)
    return { framework, reason, dataLoader: own }
  }
  return { framework, reason, dataLoader: named }
}

function frameworkOf(
  all: AllValues,
  asked: FrameworkName | undefined,
  profiles: readonly FrameworkName[],
): { framework: FrameworkName; reason: string } {
  if (asked) return { framework: asked, reason: '--framework' }
  const node = all.topLevel.given('framework')
  const configured = all.topLevel.values.framework
  if (node) {
    const place = node.origin.source.name === commandLine ? 'an override' : placeOf(node.origin)
    return { framework: configured, reason: `framework: ${configured} in ${place}` }
  }
  const [only, ...others] = profiles
  if (only !== undefined && others.length === 0) return { framework: only, reason: 'the only framework profile of the configuration' }
  return { framework: configured, reason: "DLIO's default; the configuration names none" }
}
