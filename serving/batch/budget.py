"""How many photos may fail before a batch stops."""

from dataclasses import dataclass

from contract.errors import InvalidParameter

FEWEST = 100
"""Photos that a share is of at least while the batch goes on, so that a bad first one does not end it."""


@dataclass(frozen=True, slots=True)
class Budget:
    """
    What may fail.

    Args:
        count: Photos; None for any number.
        share: Of all photos, in [0, 1]; None for any.
    """

    count: int | None = None
    share: float | None = None

    def is_spent(self, failed: int, settled: int, *, ended: bool = False) -> bool:
        """Tell whether more failed than may; a share is that of all only where the batch has ended."""
        if self.count is not None and failed > self.count:
            return True
        least = 1 if ended else FEWEST
        return self.share is not None and failed > self.share * max(settled, least)

    def __str__(self) -> str:
        return f"{self.share * 100:g} %" if self.share is not None else f"{self.count:,}"


def read_budget(words: str | None) -> Budget:
    """
    Read a budget: "20" photos, or "5%" of them; None for no limit.

    Raises:
        InvalidParameter: If it is neither.
    """
    if words is None:
        return Budget()
    number = words.strip().removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if words.strip().endswith("%") and 0 <= value <= 100:
        return Budget(share=value / 100)
    if number == words.strip() and value >= 0 and value.is_integer():
        return Budget(count=int(value))
    raise InvalidParameter(f"--max-failures {words}: expected a number such as 20, or a share such as 5%")
