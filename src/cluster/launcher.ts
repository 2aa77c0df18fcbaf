// Which launcher started this process, told from its environment. The order matters: below mpirun in a Slurm job the Slurm variables are
// the launcher's own.

/** Whose libmpi a launcher's processes must speak through. */
export type MpiFlavour = 'openmpi' | 'mpich'

export interface Launch {
  /** For people. */
  readonly launcher: string
  readonly flavour: MpiFlavour
  readonly rank: number
  /** Undefined where only MPI itself knows. */
  readonly size: number | undefined
  /** Number of this process among those of its host; 0 where the launcher does not tell. */
  readonly localRank: number
}

/** Rank, size and local rank in the environment of each launcher. */
const launchers: readonly {
  readonly launcher: string
  readonly flavour: MpiFlavour
  readonly rank: string
  readonly size?: string
  readonly localRank?: string
}[] = [
  {
    launcher: "Open MPI's mpirun",
    flavour: 'openmpi',
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    localRank: 'OMPI_COMM_WORLD_LOCAL_RANK',
  },
  { launcher: "MVAPICH's launcher", flavour: 'mpich', rank: 'MV2_COMM_WORLD_RANK', size: 'MV2_COMM_WORLD_SIZE' },
  { launcher: "MPICH's mpiexec (PMI)", flavour: 'mpich', rank: 'PMI_RANK', size: 'PMI_SIZE', localRank: 'MPI_LOCALRANKID' },
  // Without a size: srun --mpi=pmix, prterun.
  { launcher: 'a PMIx launcher', flavour: 'openmpi', rank: 'PMIX_RANK' },
]

/** The launcher of this process; undefined where there is none. */
export function launchOf(env: NodeJS.ProcessEnv): Launch | undefined {
  for (const { launcher, flavour, rank, size, localRank } of launchers) {
    const own = wholeNumber(env[rank])
    const all = size === undefined ? undefined : wholeNumber(env[size])
    if (own === undefined || (size !== undefined && (all === undefined || all === 0))) continue
    return { launcher, flavour, rank: own, size: all, localRank: wholeNumber(localRank && env[localRank]) ?? 0 }
  }
  return undefined
}

/**
 * Tasks of a Slurm step that were started without any of MPI's wire-up: they would come up as so many jobs of one rank, on the same files.
 * Undefined where this is none of them.
 */
export function unwiredSlurmTasks(env: NodeJS.ProcessEnv): number | undefined {
  if (launchOf(env) !== undefined || env.SLURM_STEP_ID === undefined || env.SLURM_PROCID === undefined) return undefined
  const tasks = wholeNumber(env.SLURM_STEP_NUM_TASKS)
  return tasks !== undefined && tasks > 1 ? tasks : undefined
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
