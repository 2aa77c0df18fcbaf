// The step that a record of a stream belongs to. A reader cannot know it: a shuffle buffer behind it decides. The plan can tell afterwards.
import type { Split } from '../order/types.js'
import type { Plan } from '../plan/types.js'
import type { Complete } from './trace-writer.js'

/** Sets `step` of sample reads from a plan that nobody has advanced yet. Samples that no batch delivers (read ahead and not used) get none. */
export function stepsFromPlan(plan: Plan): Complete {
  let advanced = 0
  let key = ''
  /** Of one rank, epoch and split: steps of each sample, in order of delivery. */
  let steps = new Map<string, number[]>()
  return (args) => {
    const { rank, epoch, split, file, sample } = args as { rank: number; epoch: number; split: Split; file: string; sample: number }
    const wanted = `${rank} ${epoch} ${split}`
    if (key !== wanted) {
      key = wanted
      while (advanced < epoch) plan.advance(++advanced)
      steps = deliveredSteps(plan, rank, epoch, split)
    }
    args.step = steps.get(`${sample} ${file}`)?.shift()
  }
}

function deliveredSteps(plan: Plan, rank: number, epoch: number, split: Split): Map<string, number[]> {
  const order = plan.order(split, rank, epoch)
  const { files, batchSize } = plan[split]
  const sink = { files: new Float64Array(batchSize), samples: new Float64Array(batchSize) }
  const steps = new Map<string, number[]>()
  for (let k = 0; k < order.batches; k++) {
    const count = order.batch(k, sink)
    for (let i = 0; i < count; i++) {
      const name = `${sink.samples[i]} ${files.name(sink.files[i]!)}`
      const of = steps.get(name)
      if (of === undefined) steps.set(name, [k + 1])
      else of.push(k + 1)
    }
  }
  return steps
}
