"""What made the Keras files beside this script, each by its own Keras: ``python make_keras_files.py``.

Needs nothing but that Keras: 2.3.1 (the paper's; Python 3.7, TensorFlow 2.2) and 3.15.1. The weights are
random; both give the same predictions of `images`, which the tests expect to the last digits.
"""

import numpy as np

BOX = (9, 8, 7)
PREDICTIONS = (50.02959060668945, 49.83756637573242)


def images():
    """Two images of no meaning, the same everywhere."""
    return (np.arange(2 * 9 * 8 * 7) * 37 % 256).reshape(2, *BOX, 1) / 255.0


def model():
    """A small network of the paper's layout, and the Keras it is made with."""
    import keras

    old = keras.__version__.startswith("2.")
    network = keras.models.Sequential(name="MRInet")
    if not old:
        network.add(keras.Input((*BOX, 1)))
    for number, (filters, edge) in enumerate(((2, 3), (3, 1))):
        first = {"input_shape": (*BOX, 1)} if old and number == 0 else {}
        network.add(keras.layers.Conv3D(filters, (edge,) * 3, padding="same", **first))
        network.add(keras.layers.LeakyReLU(0.2))
        network.add(keras.layers.MaxPooling3D((3, 3, 3), (2, 2, 2), padding="same"))
    network.add(keras.layers.Flatten())
    network.add(keras.layers.Dropout(0.5))
    network.add(keras.layers.Dense(4))
    network.add(keras.layers.LeakyReLU(0.2))
    network.add(keras.layers.Dense(1))
    rng = np.random.RandomState(0)
    weights = [rng.normal(0, 0.5, array.shape) for array in network.get_weights()]
    weights[-1] = weights[-1] + 50
    network.set_weights(weights)
    return network, keras.__version__


if __name__ == "__main__":
    made, version = model()
    made.save(f"keras-{version}.h5")
    made.save_weights(f"keras-{version}.weights.h5")
    print(made.predict(images().astype("float32"))[:, 0].tolist())
