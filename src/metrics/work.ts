// The facts of a workload that decide what a run reads, in which portions and how long it computes: what must be equal for two runs to be comparable.
import type { Workload } from '../config/workload.js'
import { recordBytes } from './settings.js'

/** Facts by DLIO's dotted key names. Where the data lies, and how it is read (threads, request sizes, O_DIRECT), is what runs are compared for. */
export type WorkFacts = Readonly<Record<string, unknown>>

/** The facts of a workload. Errors: ConfigError where a sample's size cannot be known. */
export function workFacts({ dataset, reader, train, evaluation, workflow, checkpoint, model, profile, honoured }: Workload): WorkFacts {
  return {
    'workflow.train': workflow.train,
    'workflow.evaluation': workflow.evaluation,
    'workflow.checkpoint': workflow.checkpoint,
    'dataset.format': dataset.format,
    'dataset.num_files_train': dataset.numFilesTrain,
    'dataset.num_samples_per_file': dataset.numSamplesPerFile,
    'dataset.record_length_bytes': recordBytes(dataset),
    'dataset.record_length_bytes_stdev': dataset.recordLengthBytesStdev,
    'reader.batch_size': reader.batchSize,
    'reader.sample_shuffle': reader.sampleShuffle,
    'train.epochs': train.epochs,
    'train.computation_time': train.computationTime,
    'train.total_training_steps': train.totalTrainingSteps,
    ...(workflow.evaluation
      ? {
          'dataset.num_files_eval': dataset.numFilesEval,
          'reader.batch_size_eval': reader.batchSizeEval,
          'evaluation.eval_time': evaluation.evalTime,
        }
      : {}),
    ...(workflow.checkpoint
      ? {
          'checkpoint.epochs_between_checkpoints': checkpoint.epochsBetweenCheckpoints,
          'checkpoint.steps_between_checkpoints': checkpoint.stepsBetweenCheckpoints,
          'checkpoint.num_checkpoints_write': checkpoint.numCheckpointsWrite,
          'checkpoint.num_checkpoints_read': checkpoint.numCheckpointsRead,
          'checkpoint.mode': checkpoint.mode,
          'checkpoint.fsync': checkpoint.fsync,
          model: modelFacts(model),
        }
      : {}),
    ...(honoured.length === 0 ? {} : { honoured }),
    ...(profile === null ? {} : { framework_profiles: profile.framework }),
  }
}

/** What decides the tensors of a checkpoint. */
function modelFacts({ name: _name, ...facts }: Workload['model']): Omit<Workload['model'], 'name'> {
  return facts
}
