// What dlio_benchmark prints instead of running: --cfg, --info and the helps.
import { type ConfigNode, mapNode } from '../../config/tree.js'
import { select } from './apply.js'
import type { CfgKind, HydraArguments } from './arguments.js'
import { type Composition, resolvedJob, type Surroundings } from './compose.js'
import { HydraError } from './errors.js'
import { interpolateAll } from './interpolate.js'
import { dumpYaml } from './pyyaml.js'
import { describe, workloadNames } from './search-path.js'

export const help = `dlio_benchmark of dl-driver: runs a DLIO workload under DLIO's own (Hydra's) command line.

usage: dlio_benchmark workload=NAME [OVERRIDE...] [OPTION...]

Overrides, for example ++workload.reader.batch_size=4:
  KEY=VALUE      changes a key that the workload gives
  +KEY=VALUE     adds a key
  ++KEY=VALUE    adds or changes
  ~KEY           deletes
  ++hydra.run.dir=DIR              where results go; ++hydra.output_subdir=NAME (or null) for Hydra's files in it

Options:
  --config-dir DIR, -cd      more workloads, DIR/workload/NAME.yaml; bundled ones of the same name go first, as in DLIO
  --config-path DIR, -cp     workloads of DIR only; needs DIR/config.yaml
  --config-name NAME, -cn    primary configuration (default: config)
  --cfg job|hydra|all, -c    prints the composed configuration; with --package KEY only that part, with --resolve without references
  --info, --help, --hydra-help, --version
  --ranks N                  emulated accelerators (instead of mpirun -n N)

Environment: DLIO_LOG_LEVEL (debug, info, warning, error, critical), DLIO_OUTPUT_FOLDER,
DL_DRIVER_SEMANTICS=mlcommons|upstream (which DLIO is replayed; default mlcommons),
DL_DRIVER_HONOUR=file_shuffle,... (settings to take at their word where DLIO does something else; see dl-driver run --help).

Example: dlio_benchmark workload=unet3d_h100 ++workload.workflow.generate_data=True ++workload.dataset.num_files_train=16
`

/** The text of `--cfg`. Throws HydraError. */
export function configText(kind: CfgKind, args: HydraArguments, composition: Composition, surroundings: Surroundings): string {
  const { job, hydra, now } = composition
  const hydraEntry = { key: hydra.origin, value: hydra }
  const all = mapNode(new Map([['hydra', hydraEntry], ...job.entries]), job.origin)
  let shown: ConfigNode = kind === 'job' ? job : kind === 'all' ? all : mapNode(new Map([['hydra', hydraEntry]]), hydra.origin)
  if (args.resolve)
    shown = kind === 'job' ? resolvedJob(composition, surroundings) : interpolateAll(shown, { root: all, now, env: surroundings.env })
  if (args.package === undefined || args.package === '_global_') return dumpYaml(shown)
  const part = select(shown, args.package.split('.'))
  if (part === undefined) throw new HydraError(`Key '${args.package}' not found in config`)
  return `# @package ${args.package}\n${dumpYaml(part)}`
}

/** The text of `--info`. */
export function infoText({ sources, workload }: Composition): string {
  const file = workload === undefined ? 'none' : `${workload.name} (${workload.path})`
  return `${describe(sources)}\n\nworkload: ${file}\n\nAvailable options in 'workload':\n${workloadNames(sources)
    .map((name) => `\t${name}\n`)
    .join('')}`
}
