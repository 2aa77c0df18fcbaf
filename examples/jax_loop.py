"""A linear model in JAX, trained on NPZ files of a DLIO configuration.

usage: python examples/jax_loop.py [CONFIG]        without CONFIG: a small data set is generated
"""

import sys

import jax
import jax.numpy as jnp
from example_data import small_config

import dl_driver.jax

config = sys.argv[1] if len(sys.argv) > 1 else small_config("npz")


@jax.jit
def update(weights, images, target):
    def loss_of(weights):
        rows = images.reshape(len(images), -1).astype(jnp.float32) / 255
        return jnp.mean((rows @ weights - target) ** 2)

    loss, gradient = jax.value_and_grad(loss_of)(weights)
    return weights - 1e-4 * gradient, loss


with dl_driver.jax.iterate(config) as batches:
    weights = None
    for epoch in range(2):
        for images, target in batches:
            if weights is None:
                weights = jnp.zeros(images[0].size)
            weights, loss = update(weights, images, target)
        print(f"epoch {epoch + 1}: {len(batches)} steps, loss {loss:.4f}")
