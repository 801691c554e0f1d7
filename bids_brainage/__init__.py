"""Brain age from MRI by multi-level ensembles of 3D CNNs, explained voxel by voxel, as a BIDS-App."""

import os

# Must stand in the environment before TensorFlow is first imported: worth a factor of ten on
# processors where TensorFlow leaves oneDNN off by default.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# No telemetry: nipype asks a server for its newest version when the first interface is made, niworkflows
# when it is imported. Worker processes inherit both.
os.environ["NIPYPE_NO_ET"] = "1"
os.environ["NO_ET"] = "1"

__version__ = "0.1.0"
