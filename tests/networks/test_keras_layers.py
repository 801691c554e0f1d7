"""Reading Keras models, and what is said about those that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest

from bids_brainage.errors import NetworkError
from bids_brainage.networks.network import Affine, Dense, Network
from bids_brainage.relevance import explain, explain_ensemble, from_keras, predict
from bids_brainage.relevance.backends import explain_ensemble_with


@pytest.fixture(scope="module")
def keras():
    import tensorflow as tf

    return tf.keras


def small(keras, *layers, shape=(9, 8, 2)):
    """A sequential model of `layers` between image and output."""
    end = [keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(shape), *layers, *end])


def everything(keras):
    """A model with every kind of layer that can be read."""
    make = keras.layers
    image = x = keras.Input((13, 12, 2))
    x = make.BatchNormalization()(x)
    x = make.Conv2D(4, 3, strides=2, padding="same")(x)
    x = make.ReLU()(make.BatchNormalization()(x))
    y = make.Conv2D(4, 3, dilation_rate=2, padding="same", activation="elu", use_bias=False)(x)
    x = make.Add()([x, make.SpatialDropout2D(0.2)(y)])
    x = make.AveragePooling2D(2, padding="same")(make.LeakyReLU(0.3)(x))
    x = make.ELU(0.5)(make.Conv2D(3, 2, padding="valid")(x))
    x = make.BatchNormalization(scale=False)(make.MaxPooling2D(3, 1, padding="same")(x))
    x = make.Activation("relu")(make.Dense(5)(make.GlobalAveragePooling2D()(x)))
    return keras.Model(image, make.Dense(1)(make.Dropout(0.5)(x)))


def test_every_layer_does_what_keras_does(keras, random):
    keras.utils.set_random_seed(1)
    model = everything(keras)
    model.set_weights([np.abs(w + 0.3 * random.standard_normal(w.shape)) for w in model.get_weights()])
    images = random.standard_normal((3, 13, 12, 2)).astype(np.float32)
    network = from_keras(model)
    np.testing.assert_allclose(predict(network, images), model(images).numpy()[:, 0], rtol=1e-4)
    explanation = explain(network, images)
    assert np.all(np.abs(explanation.closure_errors) < 1e-5 * np.abs(explanation.outputs).max())
    # The first normalisation stands before its convolution's zero padding, so it cannot be folded exactly;
    # the one behind pooling cannot either. The one behind a convolution is.
    assert sum(isinstance(layer, Affine) for layer in network.layers) == 2


def test_unsupported_layers(keras):
    make = keras.layers
    for layer, reason in [
        (make.Conv2D(2, 3, activation="tanh"), "activation tanh"),
        (make.UpSampling2D(), "UpSampling2D"),
        (make.Conv2D(2, 3, groups=2), "groups"),
        (make.ReLU(max_value=6), "max_value"),
        (make.MaxPooling2D(2, data_format="channels_first"), "channels first"),
    ]:
        with pytest.raises(NetworkError, match=reason) as raised:
            from_keras(small(keras, layer))
        assert layer.name in str(raised.value)


def test_shared_layers_and_several_outputs(keras):
    image = keras.Input((8, 8, 2))
    shared = keras.layers.Conv2D(2, 3, padding="same")
    x = keras.layers.Flatten()(shared(shared(image)))
    with pytest.raises(NetworkError, match="more than once"):
        from_keras(keras.Model(image, keras.layers.Dense(1)(x)))
    with pytest.raises(NetworkError, match="one unit"):
        from_keras(keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image))))
    with pytest.raises(NetworkError, match="fixed size"):
        from_keras(keras.Sequential([keras.Input((None, 8, 2)), keras.layers.GlobalMaxPooling2D()]))


def test_weights_that_are_not_finite(keras):
    model = small(keras)
    model.layers[-1].bias.assign([np.nan])
    with pytest.raises(NetworkError, match="not finite"):
        from_keras(model)


def test_images_that_do_not_fit(keras):
    network = from_keras(small(keras))
    with pytest.raises(NetworkError, match=r"shape \(1, 9, 8\)"):
        explain(network, np.zeros((1, 9, 8)))
    with pytest.raises(NetworkError, match="shape"):
        explain(network, np.zeros((1, 2, 9, 8)))
    with pytest.raises(NetworkError, match="complex"):
        predict(network, np.zeros((1, 9, 8, 2), complex))
    with pytest.raises(NetworkError, match="NaN"):
        explain(network, np.full((1, 9, 8, 2), np.nan))


def test_ensembles_and_names_that_do_not_fit(keras):
    network, other = from_keras(small(keras)), from_keras(small(keras, shape=(8, 8, 2)))
    image = np.zeros((9, 8, 2))
    with pytest.raises(NetworkError, match="2 networks and weights of shape"):
        explain_ensemble([network, network], image, [1.0])
    with pytest.raises(NetworkError, match="different shapes"):
        explain_ensemble([network, other], image, [0.5, 0.5])
    with pytest.raises(NetworkError, match="no LRP composite gradient"):
        explain(network, image[None], "gradient")
    with pytest.raises(NetworkError, match="no relevance backend zennit"):
        explain_ensemble_with("zennit", [network], image, [1.0])


def test_layers_out_of_order():
    kernel = np.ones((1, 1), np.float32)
    with pytest.raises(NetworkError, match="Layer b"):
        Network((Dense("b", ("a",), kernel, None), Dense("a", ("image",), kernel, None)), (1, 1, 1))
