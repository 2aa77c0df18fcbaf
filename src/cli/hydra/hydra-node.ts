// Hydra's own settings as hydra.yaml records them (hydra/conf/__init__.py: HydraConf), with what DLIO's primary configuration sets.
import { type ConfigNode, listNode, type MapNode, toPlain } from '../../config/tree.js'
import type { OverrideLine } from './override-line.js'
import { type Plain, plainNode } from './pyyaml.js'
import type { ConfigSource } from './search-path.js'

/** The version of Hydra whose behaviour this is. */
const hydraVersion = '1.3.2'

const logging = { version: 1, root: { level: 'ERROR' }, disable_existing_loggers: true }

/** What overrides of `hydra.*` apply to. */
export function defaultHydra(): MapNode {
  return plainNode({
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of OmegaConf's
    run: { dir: './hydra_log/${workload.model.name}/${now:%Y-%m-%d}-${now:%H-%M-%S}' },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of OmegaConf's
    sweep: { dir: 'multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}', subdir: '${hydra.job.num}' },
    launcher: { _target_: 'hydra._internal.core_plugins.basic_launcher.BasicLauncher' },
    sweeper: { _target_: 'hydra._internal.core_plugins.basic_sweeper.BasicSweeper', max_batch_size: null, params: null },
    help: {
      app_name: 'dlio_benchmark',
      header: 'dlio_benchmark of dl-driver',
      footer: 'dlio_benchmark --help tells more.',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of OmegaConf's
      template: '${hydra.help.header}',
    },
    hydra_help: { template: 'dlio_benchmark --hydra-help tells more.', hydra_help: '???' },
    hydra_logging: logging,
    job_logging: logging,
    env: {},
    mode: 'RUN',
    searchpath: [],
    callbacks: {},
    output_subdir: '.hydra',
    overrides: { hydra: [], task: [] },
    job: {
      name: 'main',
      chdir: null,
      override_dirname: '',
      id: '???',
      num: '???',
      config_name: 'config',
      env_set: {},
      env_copy: [],
      config: { override_dirname: { kv_sep: '=', item_sep: ',', exclude_keys: [] } },
    },
    runtime: {
      version: hydraVersion,
      version_base: '1.3',
      cwd: '',
      config_sources: [],
      output_dir: '???',
      choices: {},
    },
    verbose: false,
  })
}

export interface Facts {
  readonly hydraOverrides: readonly OverrideLine[]
  readonly taskOverrides: readonly OverrideLine[]
  readonly configName: string
  readonly cwd: string
  readonly sources: readonly ConfigSource[]
  /** Absolute; absent where it is not known yet. */
  readonly outputDir?: string
  readonly workload: string | undefined
}

/** Fills in what only the command line and the machine tell. */
export function withFacts(hydra: MapNode, facts: Facts): MapNode {
  const texts = (overrides: readonly OverrideLine[]) => overrides.map(({ text }) => text)
  const choices = {
    ...(facts.workload !== undefined && { workload: facts.workload }),
    'hydra/env': 'default',
    'hydra/callbacks': null,
    'hydra/job_logging': 'disabled',
    'hydra/hydra_logging': 'disabled',
    'hydra/hydra_help': 'default',
    'hydra/help': 'dlio_benchmark_help.yaml',
    'hydra/sweeper': 'basic',
    'hydra/launcher': 'basic',
    'hydra/output': 'default',
    ...picks(facts.hydraOverrides),
  }
  return setAll(hydra, [
    [
      ['overrides', 'hydra'],
      [...texts(facts.hydraOverrides), 'hydra.mode=RUN'],
    ],
    [['overrides', 'task'], texts(facts.taskOverrides)],
    [['job', 'override_dirname'], overrideDirname(hydra, texts(facts.taskOverrides), facts.taskOverrides)],
    [['job', 'config_name'], facts.configName],
    [['runtime', 'cwd'], facts.cwd],
    [
      ['runtime', 'config_sources'],
      [
        { path: 'hydra.conf', schema: 'pkg', provider: 'hydra' },
        ...facts.sources.map(({ folder, provider }) => ({ path: folder, schema: 'file', provider })),
        { path: '', schema: 'structured', provider: 'schema' },
      ],
    ],
    [['runtime', 'output_dir'], facts.outputDir ?? '???'],
    [['runtime', 'choices'], choices],
  ])
}

/** Picks of Hydra's own groups, such as `hydra/launcher=basic`: recorded, without effect on one job. */
function picks(overrides: readonly OverrideLine[]): { [group: string]: Plain } {
  const groups = overrides.filter(({ key, value }) => key.includes('/') && value?.kind === 'scalar')
  return Object.fromEntries(groups.map(({ key, value }) => [key, value as Plain]))
}

/** Sorted overrides but those of excluded keys, with `=` and `,` written as configured (hydra: get_overrides_dirname). */
function overrideDirname(hydra: MapNode, texts: readonly string[], overrides: readonly OverrideLine[]): string {
  const config = (toPlain(hydra) as { job?: { config?: { override_dirname?: Record<string, unknown> } } }).job?.config?.override_dirname
  const excluded = Array.isArray(config?.exclude_keys) ? config.exclude_keys : []
  const separator = String(config?.kv_sep ?? '=')
  return texts
    .filter((_, i) => !excluded.includes(overrides[i]?.key))
    .map((text) => text.replace('=', () => separator))
    .sort()
    .join(String(config?.item_sep ?? ','))
}

function setAll(hydra: MapNode, settings: readonly (readonly [readonly [string, string], Plain])[]): MapNode {
  let result = hydra
  for (const [[section, key], value] of settings)
    result = withEntry(result, section, withEntry(asMap(result, section), key, plainNode(value)))
  return result
}

function asMap(root: MapNode, key: string): MapNode {
  const node = root.entries.get(key)?.value
  return node?.kind === 'map' ? node : plainNode({})
}

function withEntry(map: MapNode, key: string, value: ConfigNode): MapNode {
  return { ...map, entries: new Map(map.entries).set(key, { key: map.entries.get(key)?.key ?? value.origin, value }) }
}

/** The list of a plain list of texts, as overrides.yaml holds it. */
export function textList(texts: readonly string[]): ConfigNode {
  return listNode(
    texts.map((text) => plainNode(text)),
    { source: { name: 'Hydra', lines: [] } },
  )
}
