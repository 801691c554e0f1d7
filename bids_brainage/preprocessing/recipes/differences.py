"""How an input was made otherwise than the network's authors made theirs, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from bids_brainage import messages
from bids_brainage.preprocessing.recipes.vocabulary import InputRecipe


@dataclass(frozen=True)
class Made:
    """How a person's images were made.

    Attributes
    ----------
    stripper : str or None
        The program that found the brain; None if that is not known.
    bias_corrected : bool
    registration : str or None
        The program that registered the T1w image to the template linearly.
    """

    stripper: str | None = None
    bias_corrected: bool = True
    registration: str | None = "ANTs"


def differences(recipe: InputRecipe, authors: InputRecipe, made: Made, network: str) -> tuple[str, ...]:
    """Sentences on what differs from the authors' preparation, for sidecars and pages.

    Parameters
    ----------
    recipe : InputRecipe
        By which the input was made, of the source that the user has.
    authors : InputRecipe
        As the authors made theirs.
    made : Made
    network : str
        What to call the network.
    """
    if recipe.source == "given":
        return ()
    found = []
    if authors.source != recipe.source:
        found.append(messages.RECIPE_SOURCE.format(network=network, own=recipe.source, theirs=authors.source))
    stripper, theirs = made.stripper or "another program", authors.stripper
    sees_brain = recipe.mask == "brain"
    if sees_brain and theirs is not None and stripper.lower() != theirs.lower():
        found.append(messages.RECIPE_STRIPPER.format(network=network, own=stripper, theirs=theirs))
    program, own = authors.registration.program, made.registration
    if recipe.registration.kind != "none" and program is not None and own is not None and own != program:
        found.append(messages.RECIPE_REGISTRATION.format(network=network, own=own, theirs=program))
    known = authors.bias != "unknown" and recipe.source in ("t1w", "head")
    if known and made.bias_corrected != (authors.bias == "n4"):
        text = messages.RECIPE_BIAS_MORE if made.bias_corrected else messages.RECIPE_BIAS_LESS
        found.append(text.format(network=network))
    return tuple(found)
