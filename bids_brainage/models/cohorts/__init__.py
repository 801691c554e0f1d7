"""The people that models are trained, judged and calibrated on, and their inputs."""
