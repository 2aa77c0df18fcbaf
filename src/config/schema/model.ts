import { key, section } from './key.js'
import { choice, int, list, nullable, text } from './kinds.js'

const datatype = choice(['int8', 'uint8', 'fp16', 'bf16', 'fp32', 'fp64'])

export const model = section({
  name: 'model',
  notRead: { model_size: 'model_size_bytes' },
  keys: {
    name: key(text(), 'default', 'Label of the model, in results and in the name of the default output folder.'),
    type: key(nullable(text()), null, 'Label; `transformer` leaves the flat blob out of checkpoints.'),
    model_size_bytes: key(int({ min: 0 }), 10240, 'Size of the flat blob in every checkpoint.', { unit: 'bytes' }),
    optimization_groups: key(list(int({ min: 0 })), [], 'Sizes of the optimizer tensors: two of each group and one combined.', {
      unit: 'elements',
    }),
    num_layers: key(int(), -1, 'Layers with a state of their own in checkpoints; 0 or less: none.'),
    layer_parameters: key(list(int({ min: 0 })), [], 'Sizes of the tensors of a layer, divided among tensor-parallel ranks.', {
      unit: 'elements',
    }),
    model_datatype: key(datatype, 'fp16', 'Type of the model state: 1, 2, 4 or 8 bytes an element.'),
    optimizer_datatype: key(datatype, 'fp32', 'Type of the optimizer state.'),
    'parallelism.tensor': key(int({ min: 1 }), 1, 'Ranks that share each layer.'),
    'parallelism.pipeline': key(int({ min: 1 }), 1, 'Ranks that share the layers of the model.'),
    'parallelism.data': key(int(), -1, 'Replicas of the model; −1: ranks ÷ (tensor × pipeline). Only for `checkpoint.mode: subset`.'),
    'parallelism.zero_stage': key(int({ min: 0, max: 3 }), 0, 'ZeRO stage: what is sharded among replicas.'),
    'transformer.vocab_size': key(int({ min: 1 }), 32000, 'Counts into the number of parameters.'),
    'transformer.hidden_size': key(int({ min: 1 }), 2048, 'Counts into the number of parameters.'),
    'transformer.ffn_hidden_size': key(int({ min: 1 }), 8192, 'Counts into the number of parameters.'),
    'transformer.num_attention_heads': key(int({ min: 1 }), 32, 'Counts into the number of parameters.'),
    'transformer.num_kv_heads': key(int({ min: 1 }), 8, 'Counts into the number of parameters.'),
  },
})
