"""Transfer: training from another bundle, with only new heads, or with all weights trained further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from bids_brainage import messages
from bids_brainage.errors import InputError
from bids_brainage.faults import first_fault
from bids_brainage.models.bundles.bundle import Bundle
from bids_brainage.models.bundles.schema import BundleRecord, EnsembleRecord, Parent, SubEnsembleRecord
from bids_brainage.models.training.design import SPREAD_OF_AGES
from bids_brainage.models.training.plan import EnsemblePlan, InputPlan, TrainingPlan
from bids_brainage.models.training.start import Start
from bids_brainage.networks.architecture import BaseModelSpec
from bids_brainage.preprocessing.input_spec import InputSpec
from bids_brainage.preprocessing.recipes.vocabulary import NetworkInput
from bids_brainage.quoting import one_line
from bids_brainage.terms import AGE

Refit = Literal["heads", "all"]


@dataclass(frozen=True, eq=False)
class Transfer:
    """A bundle to start from.

    Attributes
    ----------
    bundle : Bundle
        Its first fold's base models are taken: those for people not in its training.
    refit : str
        ``heads``: base models stay unchanged; ``all``: they are trained further.
    """

    bundle: Bundle
    refit: Refit

    def sub_ensembles(self) -> dict[str, SubEnsembleRecord]:
        """The bundle's sub-ensembles, by ``<ensemble>/<sub-ensemble>``."""
        ensembles = self.bundle.record.ensembles
        return {f"{e.name}/{sub.name}": sub for e in ensembles for sub in e.sub_ensembles}

    def specs(self) -> dict[str, NetworkInput]:
        """The input of each sub-ensemble."""
        return {key: sub.input for key, sub in self.sub_ensembles().items()}

    def complete(self, content: Mapping[str, Any], file: str) -> dict[str, Any]:
        """Complete a plan's content with what the bundle determines: ensembles, input, architecture.

        Target and licence are the bundle's too, unless the plan names others.

        Parameters
        ----------
        content : mapping
            Of the plan's YAML; it may leave these parts out.
        file : str
            The plan's name, for the message.

        Raises
        ------
        InputError
            The plan asks for something other than the bundle has, or for restarts.
        """
        first = next(iter(self.sub_ensembles().values()))
        record = self.bundle.record
        own: dict[str, Any] = {"ensembles": [ensemble_plan(e).model_dump() for e in record.ensembles]}
        if isinstance(first.input, InputSpec):
            own["input"] = first.input.model_dump(include=set(InputPlan.model_fields))
        if isinstance(first.architecture, BaseModelSpec):
            own["architecture"] = first.architecture.model_dump()
        self._check(content, file)
        # What was learned only from simulated brains stays a demonstration.
        stays = self.refit == "heads" and self.bundle.is_demonstration
        purpose = {"purpose": record.purpose} if stays else {}
        return {"licence": record.licence, "target": record.target, **content, **own, **purpose}

    def _check(self, content: Mapping[str, Any], file: str) -> None:
        graphs = [s for s in self.sub_ensembles().values() if not isinstance(s.architecture, BaseModelSpec)]
        if graphs and (self.refit == "all" or "architecture" in content):
            raise InputError(messages.TRANSFER_GRAPH.format(model=self.bundle.name))
        try:
            self._compare(content, file)
        except (ValidationError, TypeError, AttributeError) as error:
            reason = first_fault(error).reason if isinstance(error, ValidationError) else one_line(error)
            raise InputError(messages.PLAN_WRONG.format(file=file, where="plan", reason=reason)) from error
        fitting = content.get("fitting")
        if self.refit == "all" and isinstance(fitting, dict) and fitting.get("restart_after"):
            raise InputError(messages.TRANSFER_RESTARTS.format(file=file))

    def _compare(self, content: Mapping[str, Any], file: str) -> None:
        """Whatever the plan says about these parts must agree with the bundle."""
        if "ensembles" in content:
            asked = {EnsemblePlan.model_validate(e) for e in content["ensembles"]}
            there = {ensemble_plan(e) for e in self.bundle.record.ensembles}
            self._same(file, "ensembles", set(map(_shape, asked)), set(map(_shape, there)))
        inputs, spec = content.get("input", {}), content.get("architecture", {})
        wanted = InputPlan.model_validate(inputs)
        for sub in self.sub_ensembles().values():
            for name in inputs.keys() & {"voxel_size", "orientation", "intensity"}:
                self._same(file, f"input.{name}", getattr(wanted, name), getattr(sub.input, name))
            if not spec:
                continue
            built = BaseModelSpec.model_validate({**sub.architecture.model_dump(), **spec})
            for name in spec:
                self._same(
                    file, f"architecture.{name}", getattr(built, name), getattr(sub.architecture, name)
                )

    def _same(self, file: str, where: str, asked: object, there: object) -> None:
        if asked != there:
            raise InputError(
                messages.TRANSFER_CONFLICT.format(file=file, where=where, model=self.bundle.name)
            )

    def starts(self, plan: TrainingPlan, unit: str) -> dict[str, tuple[Start, ...]]:
        """Where each base model starts from, by sub-ensemble.

        Parameters
        ----------
        plan : TrainingPlan
        unit : str
            Of the plan's target.
        """
        record = self.bundle.record
        target, own_unit, scale = self.predicted()
        return {
            key: tuple(
                Start(
                    file=self.bundle.path / file,
                    sha256=record.files[file].sha256,
                    architecture=sub.architecture,
                    kept=self.refit == "heads",
                    same_target=(target, own_unit) == (plan.target, unit),
                    scale=scale,
                )
                for file in sub.folds[0].base_models
            )
            for key, sub in self.sub_ensembles().items()
        }

    def predicted(self) -> tuple[str, str, float]:
        """What the base models predict, its unit and its unit for training: those of their own training.

        A bundle of new heads on kept networks estimates what its heads were fitted to.
        """
        record: BundleRecord | Parent = self.bundle.record
        for parent in self.bundle.record.parents:
            if parent.refit != "heads":
                break
            record = parent
        spread = record.cohort.target_sd
        scale = 1.0 if record.target == AGE or not spread else spread / SPREAD_OF_AGES
        return record.target, record.unit, scale

    def parents(self) -> tuple[Parent, ...]:
        """The bundle and those it comes from, as the new one records them."""
        record = self.bundle.record
        own = Parent(
            name=record.name,
            version=record.version,
            sha256=self.bundle.sha256,
            refit=self.refit,
            target=record.target,
            unit=record.unit,
            cohort=record.cohort,
            participants=record.participants,
        )
        return (own, *record.parents)


def ensemble_plan(record: EnsembleRecord) -> EnsemblePlan:
    """The plan that an ensemble of a bundle follows; InputError if it follows none."""
    subs = record.sub_ensembles
    stage = subs[0].input.stage
    plan = EnsemblePlan(
        name=record.name,
        stage=stage,
        regions=tuple(dict.fromkeys(sub.input.region for sub in subs)),
        modalities=tuple(dict.fromkeys(sub.input.modality for sub in subs)),
        base_models=max(len(sub.folds[0].base_models) for sub in subs),
    )
    expected = {name for name, _, _ in plan.sub_ensembles()}
    if {sub.name for sub in subs} != expected or any(sub.input.stage != stage for sub in subs):
        raise InputError(messages.TRANSFER_SHAPE.format(ensemble=record.name))
    return plan


def _shape(plan: EnsemblePlan) -> tuple[str, str, frozenset[str], int]:
    return plan.name, plan.stage, frozenset(name for name, _, _ in plan.sub_ensembles()), plan.base_models
