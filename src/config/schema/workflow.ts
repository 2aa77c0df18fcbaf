import { key, section } from './key.js'
import { bool, nullable, text } from './kinds.js'

export const workflow = section({
  name: 'workflow',
  keys: {
    generate_data: key(bool(), false, 'Generate the data set before anything else.'),
    train: key(bool(), true, 'Run the training loop.'),
    evaluation: key(bool(), false, 'Evaluate inside the loop, on the schedule of section `evaluation`.'),
    checkpoint: key(bool(), false, 'Write checkpoints.'),
    profiling: key(bool(), false, 'Start the profiler of section `profiling`.'),
    query: key(nullable(text()), null, 'Key whose value `dlio_benchmark_query` prints; nothing else reads it.'),
  },
})
