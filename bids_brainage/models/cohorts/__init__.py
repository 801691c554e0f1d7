"""The people that models are trained, evaluated and calibrated on, and their inputs."""
