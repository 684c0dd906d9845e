"""The Keras callback on each backend, each in a process of its own, and on networks that people use."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.keras_processes import run_keras_tests
from tests.support.known import record_of, variables_of
from tests.support.monitored import numbers, picture_names, read_run

keras = pytest.importorskip("keras")

EVERYWHERE = "same_to_the_last_bit or losses_are_those or plain_descent or frozen or twice or untouched or of_the_model"
SMALL = ("MobileNet", "MobileNetV2", "MobileNetV3Small")
LARGE = ("ResNet50", "ResNet50V2", "VGG16", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "NASNetMobile")


def run_cases(backend: str, selection: str) -> None:
    run_keras_tests("keras_cases.py", backend, selection)


@pytest.mark.timeout(1300)
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_callback(backend):
    run_cases(backend, "" if backend == "tensorflow" else EVERYWHERE)


@pytest.mark.exhaustive
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_callback_in_every_case(backend):
    run_cases(backend, f"not ({EVERYWHERE})")


def log_application(name, folder):
    """Two steps of a network of `keras.applications` with random weights, logged with one line."""
    import tb_featuremap_plugin as fm

    keras.utils.set_random_seed(0)
    side = 224 if name == "NASNetMobile" else 32
    images = np.random.default_rng(0).random((2, side, side, 3)).astype(np.float32)
    options = {"alpha": 0.25} if name == "MobileNet" else {"alpha": 0.35} if name == "MobileNetV2" else {}
    model = getattr(keras.applications, name)(weights=None, classes=3, input_shape=(side, side, 3), **options)
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    callback = fm.keras.FeatureMapCallback(folder, images[:1], every=2, max_images=1, max_channels=16, strict=True)
    model.fit(images, np.array([0, 1]), batch_size=1, verbose=0, callbacks=[callback])
    return model


def assert_all_is_there(model, folder):
    run = read_run(folder)
    assert variables_of(run).steps.tolist() == [0, 1, 2]
    trainable = {variable.path for variable in model.trainable_variables}
    assert trainable <= set(variables_of(run).rows)
    assert {name for name in variables_of(run).rows if numbers(run, name, "trainable")[2]} == trainable
    convolutions = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    assert {layer.name for layer in convolutions} <= picture_names(run, "maps")
    kernels = {variable.path for layer in convolutions for variable in layer.trainable_variables if len(variable.shape) == 4}
    assert kernels <= picture_names(run, "filters")
    assert [layer.name for layer in record_of(run).layers if layer.role == "output"] == [model.layers[-1].name]


@pytest.mark.parametrize("name", SMALL)
def test_application(name, tmp_path):
    assert_all_is_there(log_application(name, tmp_path), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", LARGE)
def test_large_application(name, tmp_path):
    assert_all_is_there(log_application(name, tmp_path), tmp_path)
