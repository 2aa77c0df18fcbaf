"""JAX, Lightning, Accelerate, and what happens without a framework."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import dl_driver
import dl_driver.jax
from dl_driver import PyTorchDataLoader


def test_jax_gets_its_own_arrays_or_numpys(small):
    config, _ = small
    with dl_driver.jax.iterate(config) as batches:
        assert len(batches) == 4
        rows = [(x, y) for x, y in batches]
    assert all(isinstance(x, jax.Array) and x.shape == (4, 64, 48) and x.dtype == jnp.float32 for x, _ in rows)
    assert all((x[:, 0, 0] == y / 10).all() for x, y in rows)
    with dl_driver.jax.iterate(config, as_numpy=True) as batches:
        assert all(type(x) is np.ndarray and (x[:, 0, 0] == y / 10).all() for x, y in batches)


def test_jax_gets_grains_order_when_it_asks_for_it(small):
    config, _ = small
    expected = [
        [int(file.split("_")[1]) for file, _ in batch.samples]
        for batch in dl_driver.order(config, framework="jax", epochs=1, overrides={"framework_profiles.jax.batch_size": 8})
    ]
    with dl_driver.jax.iterate(config, batch_size=8, as_numpy=True) as batches:
        assert [[int(n) // 10 for n in y] for _, y in batches] == expected


def test_lightning_trains_on_it(small):
    import lightning

    config, _ = small
    seen = []

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(64 * 48, 1)

        def training_step(self, batch, index):
            x, y = batch
            seen.append([int(n) // 10 for n in y])
            return torch.nn.functional.mse_loss(self.layer(x.flatten(1) / 100).squeeze(1), y / 100)

        def validation_step(self, batch, index):
            assert len(batch[0]) == 4

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 1e-5)

    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )
    with PyTorchDataLoader(config) as train, PyTorchDataLoader(config) as valid:
        trainer.fit(Model(), train, valid)
    planned = [[int(file.split("_")[1]) for file, _ in batch.samples] for batch in dl_driver.order(config, epochs=2)]
    assert seen == planned


def test_accelerate_trains_on_it(small):
    from accelerate import Accelerator

    config, _ = small
    accelerator = Accelerator(cpu=True)
    with PyTorchDataLoader(config) as loader:
        model = torch.nn.Linear(64 * 48, 1)
        model, optimizer, prepared = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 1e-5), loader)
        seen = []
        for x, y in prepared:
            accelerator.backward(torch.nn.functional.mse_loss(model(x.flatten(1) / 100).squeeze(1), y / 100))
            optimizer.step()
            seen += [int(n) // 10 for n in y]
    assert sorted(seen) == list(range(16))


def _python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_no_framework_is_imported_before_it_is_used():
    ended = _python(
        "import sys, dl_driver, dl_driver.pytorch, dl_driver.tensorflow, dl_driver.jax\n"
        "dl_driver.detect()\nprint([name for name in ('torch', 'tensorflow', 'jax') if name in sys.modules])"
    )
    assert (ended.stdout.strip(), ended.stderr) == ("[]", "")


def test_detection_names_versions_and_the_profile_of_the_framework_in_use():
    found = dl_driver.detect()
    versions = {framework.name: framework.version for framework in found.frameworks}
    assert versions["pytorch"] == torch.__version__ and versions["jax"] == jax.__version__ and "tensorflow" in versions
    assert all(framework.device == "cpu" for framework in found.frameworks)
    ended = _python("import jax, dl_driver\nprint(dl_driver.detect().profile)")
    assert ended.stdout.strip() == "jax"


@pytest.mark.parametrize(
    ("module", "use", "hint"),
    [
        ("torch", "dl_driver.PyTorchDataLoader('quickstart')", "pip install torch"),
        ("tensorflow", "dl_driver.tensorflow.create_dataset('quickstart')", "pip install tensorflow"),
        ("jax", "dl_driver.jax.iterate('quickstart')", "pip install jax"),
    ],
)
def test_a_missing_framework_is_an_import_error_that_says_what_to_install(module, use, hint):
    ended = _python(
        "import sys\nclass Hide:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
        f"sys.meta_path.insert(0, Hide())\nimport dl_driver, dl_driver.tensorflow, dl_driver.jax\n{use}"
    )
    assert "ImportError" in ended.stderr and hint in ended.stderr
