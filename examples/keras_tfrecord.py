"""A dense network in Keras, trained on TFRecord files of a DLIO configuration.

usage: python examples/keras_tfrecord.py [CONFIG]        without CONFIG: a small data set is generated
"""

import sys

import tensorflow as tf
from example_data import small_config

import dl_driver.tensorflow as dldt

config = sys.argv[1] if len(sys.argv) > 1 else small_config("tfrecord")
dataset = dldt.create_dataset(config)
(row_bytes,) = dataset.element_spec.shape[1:]

# DLIO's records have no label: learn to reproduce the mean of the record.
pairs = dataset.map(lambda records: (tf.cast(records, tf.float32) / 255, tf.reduce_mean(tf.cast(records, tf.float32) / 255, axis=1)))
model = tf.keras.Sequential([tf.keras.Input((row_bytes,)), tf.keras.layers.Dense(8, "relu"), tf.keras.layers.Dense(1)])
model.compile("adam", "mse")
history = model.fit(pairs.prefetch(2), epochs=2, verbose=0)
print("loss", [round(loss, 4) for loss in history.history["loss"]])
