// Which world this process belongs to: decided by the environment, before anything is read or written.
import { RunError } from '../errors.js'
import { lazily } from '../package.js'
import { PeerError } from './errors.js'
import { type Launch, launchOf, unwiredSlurmTasks } from './launcher.js'
import { soloWorld, type World } from './world.js'

/** A job that this process is about to join. */
export interface Joining {
  /** The launcher's words on this process; undefined where none started it. */
  readonly launch: Launch | undefined
  /**
   * Waits until all processes of the job are there. `ranks`: emulated ranks of this process. Throws RunError where they cannot meet, on one
   * process of each host; PeerError on the others.
   */
  world(ranks: number): Promise<World>
}

/** Begins to join: under a launcher with several processes MPI starts in a thread of its own meanwhile. */
export function joinWorld(env: NodeJS.ProcessEnv): Joining {
  const launch = launchOf(env)
  const tasks = unwiredSlurmTasks(env)
  if (tasks !== undefined)
    return {
      launch,
      world: async () => {
        throw once(
          env.SLURM_PROCID === '0',
          new RunError(
            `srun started ${tasks} tasks without telling MPI of each other; give srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH), or use mpirun`,
          ),
        )
      },
    }
  // A single rank needs no library; mpirun minds no process that never speaks MPI.
  if (launch === undefined || launch.size === 1) return { launch, world: async (ranks) => soloWorld(ranks) }
  const { joinMpi } = lazily<typeof import('./mpi-world.js')>('cluster/mpi-world.js')
  const join = joinMpi(launch)
  return {
    launch,
    world: async (ranks) => {
      try {
        return await join(ranks)
      } catch (error) {
        throw once(launch.localRank === 0, error as Error)
      }
    },
  }
}

function once(reports: boolean, error: Error): Error {
  return reports ? error : new PeerError(0, error.message, 1)
}
