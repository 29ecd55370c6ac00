"""Other names for classes: with tabby=cat each tabby is read as a cat, whatever the data set's format."""

from collections.abc import Iterable, Mapping

from contract.classes import ClassMap
from contract.errors import ConfigurationError

Renames = Mapping[str, str]
"""New name by the name in the annotations; several may have one new name."""


def parse_renames(assignments: Iterable[str]) -> dict[str, str]:
    """
    Read renames as they are typed.

    Args:
        assignments: Each "old=new".

    Raises:
        ConfigurationError: If one is not of this form, or gives an old name a second new one.
    """
    renames: dict[str, str] = {}
    for assignment in assignments:
        old, _, new = assignment.partition("=")
        if not old or not new:
            raise ConfigurationError(f"rename {assignment!r}: expected OLD=NEW, such as tabby=cat")
        if renames.setdefault(old, new) != new:
            raise ConfigurationError(f"rename {assignment!r}: {old} is renamed to {renames[old]} already")
    return renames


def label_names(classes: ClassMap, renames: Renames) -> dict[str, int]:
    """Give the label of each name that may stand in annotations; other names count as background."""
    own = {name: classes.index(name) for name in classes.foreground}
    renamed = {old: own[new] for old, new in renames.items() if new in own}
    return {name: label for name, label in own.items() if name not in renames} | renamed
