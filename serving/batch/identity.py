"""What makes two runs into one folder the same: the model's very version, and the outputs asked for."""

import json
from dataclasses import asdict, dataclass

from contract.errors import DataError


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What a folder's masks are of.

    Args:
        model: The model's name.
        version: Of it.
        sha256: Of its network's file; of a server's model, empty.
        outputs: The formats, in order.
    """

    model: str
    version: int
    sha256: str
    outputs: tuple[str, ...]

    def to_json(self) -> str:
        """Give it as text."""
        return json.dumps(asdict(self), sort_keys=True)

    def check_same(self, text: str, folder: object) -> None:
        """
        Make sure that a folder was begun with the same.

        Raises:
            DataError: If not; says what differs.
        """
        before = json.loads(text)
        now = json.loads(self.to_json())
        differing = [name for name in now if now[name] != before.get(name)]
        if not differing:
            return
        words = ", ".join(f"{name} {before.get(name)} and not {now[name]}" for name in differing)
        raise DataError(
            f"{folder} was begun with {words}",
            hint="name another --out, or start anew there with --fresh, which removes those masks",
        )
