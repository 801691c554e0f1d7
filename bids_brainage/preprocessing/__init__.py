"""Images in, images out: checks, conforming, bias field, brain mask, registration, model input."""
