"""Training on images in memory: what is learned, what is kept, and going on after an interruption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_brainage.errors import NetworkError
from bids_brainage.models.training import images as images_module
from bids_brainage.models.training.checkpoint import load_checkpoint
from bids_brainage.models.training.fitting import load_trained, train_base_model
from bids_brainage.models.training.images import ImageTask
from bids_brainage.models.training.plan import FittingPlan
from bids_brainage.models.training.splits import split_by_age
from bids_brainage.networks.architecture import BaseModelSpec

SMALL = BaseModelSpec(filters=(4, 4), kernels=(3, 3), dense_units=8, activation="relu", dropout=0.2)


@pytest.fixture
def task(tmp_path):
    """Images whose brightness is their age; 80 to train on."""
    rng = np.random.default_rng(0)
    ages = rng.uniform(20, 80, 100)
    images = (ages[:, None, None, None] / 100 * rng.uniform(0.9, 1.1, (100, 12, 10, 1))).astype(np.float32)
    (split,) = split_by_age(ages, [str(i) for i in range(100)], (8, 1, 1), 1, 0)
    fitting = FittingPlan(epochs=4, learning_rate=5e-3, schedule="cosine")
    return ImageTask(tmp_path / "model.safetensors", images, ages, split, SMALL, fitting, seed=5)


def test_learns_what_an_image_shows(task):
    task = replace(task, fitting=task.fitting.model_copy(update={"epochs": 15}))
    fit = train_base_model(task)
    test = task.split.test
    errors = np.abs(load_trained(task).predict(task.images[test]) - task.ages[test])
    guess = np.abs(task.ages[test] - task.ages[task.split.training].mean())
    assert errors.mean() < 0.5 * guess.mean()
    assert len(fit.history) == 15


def test_keeps_the_best_epoch(task):
    fit = train_base_model(task)
    validation = task.split.validation
    errors = load_trained(task).predict(task.images[validation]) - task.ages[validation]
    assert np.mean(errors**2) == pytest.approx(fit.history[fit.best_epoch]["validation_mse"], abs=1e-3)
    assert fit.history[fit.best_epoch] == min(fit.history, key=lambda epoch: epoch["validation_mse"])


def test_an_interrupted_training_ends_the_same(task, tmp_path, monkeypatch):
    whole = train_base_model(task)
    weights = load_trained(task).weights
    again = replace(task, file=tmp_path / "again" / "model.safetensors")
    draw = images_module._draw_epoch

    def interrupted(of, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return draw(of, epoch)

    monkeypatch.setattr(images_module, "_draw_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_base_model(again)
    shown = []
    monkeypatch.setattr(
        images_module, "_draw_epoch", lambda of, epoch: shown.append(epoch) or draw(of, epoch)
    )
    resumed = train_base_model(again)
    assert shown == [2, 3]
    # Sums of several threads differ in their last digits.
    np.testing.assert_allclose(
        [e["loss"] for e in resumed.history], [e["loss"] for e in whole.history], rtol=1e-5
    )
    for name, array in load_trained(again).weights.items():
        np.testing.assert_allclose(array, weights[name], atol=1e-5)
    assert [path.name for path in sorted(again.file.parent.iterdir())] == ["model.json", "model.safetensors"]


def test_a_finished_training_is_kept_and_another_one_is_not_taken_for_it(task, monkeypatch):
    first = train_base_model(task)
    monkeypatch.setattr(images_module, "_draw_epoch", lambda *_: pytest.fail("trained again"))
    assert train_base_model(task) == first
    monkeypatch.undo()
    other = train_base_model(replace(task, seed=6))
    assert other.fingerprint != first.fingerprint
    assert other.history != first.history


def test_a_checkpoint_of_another_training_is_not_gone_on_with(task, monkeypatch):
    draw = images_module._draw_epoch
    monkeypatch.setattr(
        images_module, "_draw_epoch", lambda of, e: pytest.fail("stop") if e == 2 else draw(of, e)
    )
    with pytest.raises(pytest.fail.Exception):
        train_base_model(task)
    kept = load_checkpoint(task.checkpoint, task.fingerprint())
    assert kept is not None
    assert len(kept.history) == 2
    assert kept.seconds > 0
    assert load_checkpoint(task.checkpoint, replace(task, seed=6).fingerprint()) is None


def test_each_image_is_shown_once_an_epoch_and_half_are_mirrored(task):
    order, _, _ = images_module._draw_epoch(task, 0)
    assert sorted(order.ravel()) == sorted(task.split.training)
    shares = np.mean([images_module._draw_epoch(task, e)[1].mean(axis=(0, 1)) for e in range(30)], axis=0)
    np.testing.assert_allclose(shares, 0.5, atol=0.05)
    still = replace(task, fitting=task.fitting.model_copy(update={"flip": False}))
    assert not images_module._draw_epoch(still, 0)[1].any()
    assert not np.array_equal(order, images_module._draw_epoch(task, 1)[0])


def test_a_loss_that_runs_off_is_told(task):
    images = task.images.copy()
    images[task.split.training[0]] = np.nan
    with pytest.raises(NetworkError, match="learning_rate"):
        train_base_model(replace(task, images=images))
