"""From ``bundle.json`` to an ensemble that estimates."""

from __future__ import annotations

import numpy as np

from bids_brainage.models.bundles.files import BundleFiles
from bids_brainage.models.bundles.schema import EnsembleRecord, HeadRecord, SubEnsembleRecord, TopHeadRecord
from bids_brainage.models.ensembles.age_bias import AgeBias
from bids_brainage.models.ensembles.base_model import BaseModel
from bids_brainage.models.ensembles.ensemble import MultiLevelEnsemble, NormalisedInterval, TopHead
from bids_brainage.models.ensembles.head_model import Head, HeadModel, MedianHead
from bids_brainage.models.ensembles.spline_head import Curve, SplineHead
from bids_brainage.models.ensembles.sub_ensemble import SubEnsemble


def build_ensemble(record: EnsembleRecord, fold: int, files: BundleFiles) -> MultiLevelEnsemble:
    """One fold of an ensemble with its weights; BundleError if they are not as described."""
    return MultiLevelEnsemble(
        name=record.name,
        sub_ensembles={sub.name: _sub_ensemble(sub, fold, files) for sub in record.sub_ensembles},
        top_heads=tuple(_top_head(head) for head in record.top_heads[fold]),
    )


def _sub_ensemble(record: SubEnsembleRecord, fold: int, files: BundleFiles) -> SubEnsemble:
    trained = record.folds[fold]
    models = tuple(
        BaseModel(
            name=f"{record.name}_bm-{index:02d}",
            spec=record.architecture,
            input_shape=record.input_shape,
            weights=files.weights(file, record),
        )
        for index, file in enumerate(trained.base_models)
    )
    return SubEnsemble(record.name, record.input, models, make_head(trained.head))


def make_head(record: HeadRecord) -> Head:
    """The head that a record describes."""
    if record.median:
        return MedianHead(len(record.coefficients))
    linear = HeadModel(np.array(record.coefficients, dtype=np.float64), record.intercept)
    if not record.curves:
        return linear
    curves = tuple(
        Curve(np.array(curve.knots), np.array(curve.coefficients), curve.degree) if curve else None
        for curve in record.curves
    )
    return SplineHead(linear, curves)


def _top_head(record: TopHeadRecord) -> TopHead:
    normalised, bias = record.normalised, record.age_bias
    return TopHead(
        modalities=record.modalities,
        sub_ensembles=record.sub_ensembles,
        head=make_head(record.head),
        half_widths=dict(record.half_widths),
        disagreement_99=record.disagreement_99,
        normalised=NormalisedInterval(normalised.offset, dict(normalised.quantiles)) if normalised else None,
        age_bias=AgeBias(bias.intercept, bias.slope) if bias else None,
    )
