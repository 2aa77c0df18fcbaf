import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchOf, unwiredSlurmTasks } from '#src/cluster/launcher.js'

test('the launcher is told from the environment: Open MPI’s before PMI, PMI before PMIx, Slurm’s own variables never', () => {
  const openMpi = { OMPI_COMM_WORLD_RANK: '2', OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_LOCAL_RANK: '1', PMIX_RANK: '2' }
  const found = launchOf({ ...openMpi, PMI_RANK: '0', PMI_SIZE: '9', SLURM_PROCID: '7', SLURM_NTASKS: '8' })
  assert.deepEqual([found?.flavour, found?.rank, found?.size, found?.localRank], ['openmpi', 2, 4, 1])
  const hydra = launchOf({ PMI_RANK: '3', PMI_SIZE: '4', MPI_LOCALRANKID: '1', SLURM_PROCID: '0' })
  assert.deepEqual([hydra?.flavour, hydra?.rank, hydra?.size, hydra?.localRank], ['mpich', 3, 4, 1])
  const pmix = launchOf({ PMIX_RANK: '1', SLURM_PROCID: '1', SLURM_NTASKS: '2' })
  assert.deepEqual([pmix?.flavour, pmix?.rank, pmix?.size], ['openmpi', 1, undefined])
  assert.equal(launchOf({ SLURM_PROCID: '0', SLURM_NTASKS: '4', SLURM_JOB_ID: '1' }), undefined)
  assert.equal(launchOf({ OMPI_COMM_WORLD_RANK: 'x', OMPI_COMM_WORLD_SIZE: '4' }), undefined)
  assert.equal(launchOf({ PMI_RANK: '0', PMI_SIZE: '0' }), undefined)
  assert.equal(launchOf({}), undefined)
})

test('tasks of srun that know nothing of each other are found, the single task of a batch script is not', () => {
  const task = { SLURM_STEP_ID: '0', SLURM_PROCID: '1', SLURM_STEP_NUM_TASKS: '4' }
  assert.equal(unwiredSlurmTasks(task), 4)
  assert.equal(unwiredSlurmTasks({ ...task, SLURM_STEP_NUM_TASKS: '1' }), undefined)
  assert.equal(unwiredSlurmTasks({ SLURM_PROCID: '0', SLURM_NTASKS: '4' }), undefined)
  assert.equal(unwiredSlurmTasks({ ...task, PMIX_RANK: '1' }), undefined)
})
