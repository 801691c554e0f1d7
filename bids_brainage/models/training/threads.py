"""What TensorFlow takes of a machine; by itself all processors and all of a GPU's memory, in each process."""

from __future__ import annotations

from pathlib import Path

# Without this driver there is no GPU that TensorFlow knows, and it need not be loaded to find out.
DRIVER = Path("/proc/driver/nvidia/version")


def limit_threads(threads: int = 1) -> None:
    """Let TensorFlow use so many threads in this process; the last bits of a sum may depend on their number.

    Of a GPU's memory it takes what it needs. Called in every process that trains, before TensorFlow does its
    first work; a second call with the same number does nothing, one with another is a RuntimeError.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # It fails on the graph of a training step, and warns each time.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def side_by_side(nprocs: int) -> int:
    """How many base models are trained at a time: one on a GPU, otherwise `nprocs`."""
    return 1 if has_gpu() else max(nprocs, 1)


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    if not DRIVER.exists():
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
