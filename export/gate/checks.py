"""What was measured, held against the limits: one check each, in words with numbers."""

from collections.abc import Mapping

from contract.verdict import Check
from export.agreement import REQUIRED_ENGINE, agreement_name
from export.gate.golden import Comparison
from export.gate.limits import Limits
from training.bootstrap import Interval

FULL = "fp32"
KEPT = "share of fp32's mean IoU"
OVERLAPS = "mean IoU with fp32's labels"
"""So a manifest of fewer bits names what its export measured: by people's masks, by fp32's labels."""

NO_LIVE = "no live version to compare with"


def enough_photos(seen: Comparison, limits: Limits) -> Check:
    """Whether the golden set is large enough to say anything."""
    photos = len(seen.candidate.names)
    return Check(
        "golden photos", photos >= limits.least_photos, f"{photos}", f"at least {limits.least_photos}"
    )


def score_checks(seen: Comparison, split: str, limits: Limits) -> list[Check]:
    """Mean IoU, boundary F and each class's IoU, against the live version's."""
    if seen.live is None:
        name = f"{split} mIoU{len(seen.candidate.classes)}"
        found = seen.candidate.intervals(split)[name]
        words = f"{found.value:.3f} (95 %: {found.low:.3f} to {found.high:.3f})"
        return [Check("mean IoU", True, words, NO_LIVE)]
    differences = seen.candidate.differences(seen.live, split)
    classes = seen.candidate.classes.names
    worst = [(differences[f"{split} IoU {name}"].value, name) for name in classes]
    known = [pair for pair in worst if pair[0] == pair[0]]  # NaN is a class that nobody shows
    losses = [f"{name} {value:+.3f}" for value, name in sorted(known) if value < -limits.class_loss]
    lowest = min(known)
    return [
        _mean_check("mean IoU", differences[f"{split} mIoU{len(classes)}"], limits.score_loss),
        Check(
            "each class",
            not losses,
            ", ".join(losses) if losses else f"the lowest is {lowest[1]}, {lowest[0]:+.3f}",
            f"none below {-limits.class_loss:+.3f}",
        ),
        _mean_check("boundary F", differences[f"{split} boundary F"], limits.boundary_loss),
    ]


def _mean_check(name: str, found: Interval, loss: float) -> Check:
    seen = f"{found.value:+.3f} (95 %: {found.low:+.3f} to {found.high:+.3f}; {_words(found)})"
    # Written so that NaN is refused too.
    return Check(name, bool(found.low >= -loss), seen, f"lower end at least {-loss:+.3f}")


def _words(found: Interval) -> str:
    if not found.excludes_zero:
        return "no difference shown"
    return "better" if found.value > 0 else "worse"


def precision_checks(
    seen: Comparison, split: str, parity: Mapping[str, float], precision: str, limits: Limits
) -> list[Check]:
    """What fewer bits cost of fp32's mean IoU: on the golden photos, else as the export measured it."""
    if precision == FULL:
        return []
    if seen.fp32 is not None:
        name = f"{split} mIoU{len(seen.candidate.classes)}"
        full, own = seen.fp32.named(split)[name], seen.candidate.named(split)[name]
        kept, words = (own / full if full else 0.0), f"{own:.4f} of {full:.4f}"
    else:
        measured = [share for name, share in parity.items() if name.endswith(OVERLAPS)]
        kept, words = parity.get(KEPT, min(measured, default=0.0)), "as its export measured it"
    wanted = f"at most {limits.precision_loss:.2%} lost"
    lost = 1 - kept
    return [
        Check(
            f"{precision} beside fp32",
            bool(lost <= limits.precision_loss),
            f"{lost:.2%} lost, {words}",
            wanted,
        )
    ]


def agreement_checks(
    parity: Mapping[str, float], seen: Comparison, precision: str, limits: Limits
) -> list[Check]:
    """
    Label agreement of torch with each engine, as the export measured it, and with the engine as served.

    Fewer bits cannot give torch's labels: there mean IoU counts, and these figures are only told.
    """
    ending = agreement_name("")
    shares = {
        f"torch to {name.removesuffix(ending)}": share for name, share in parity.items() if ending in name
    }
    shares = shares or {f"torch to {REQUIRED_ENGINE}": 0.0}
    if seen.agreement is not None:
        shares["ONNX Runtime to the engine as served"] = seen.agreement
    decisive = precision == FULL
    wanted = f"at least {limits.agreement:.1%}" if decisive else f"told only: in {precision} mean IoU counts"
    return [
        Check(name, bool(share >= limits.agreement) or not decisive, f"{share:.3%} of labels", wanted)
        for name, share in shares.items()
    ]


def cost_checks(milliseconds: list[float], peaks: list[int], limits: Limits) -> list[Check]:
    """Time and memory, candidate first, as multiples of the live version's."""
    return [
        _ratio_check("time per photo", milliseconds, "ms", limits.latency_ratio),
        _ratio_check("memory", [peak / 2**20 for peak in peaks], "MiB", limits.memory_ratio),
    ]


def _ratio_check(name: str, values: list[float], unit: str, most: float) -> Check:
    own, *other = values
    if not other:
        return Check(name, True, f"{own:.1f} {unit}; {NO_LIVE}", f"at most {most:g} times the live version's")
    ratio = own / other[0]
    seen = f"{own:.1f} {unit}, live {other[0]:.1f}: {ratio:.2f} times"
    return Check(name, ratio <= most, seen, f"at most {most:g} times")


def safety_checks(problems: Mapping[str, list[str]]) -> list[Check]:
    """What must be true before an engine opens a file, by the check's name: what is wrong, or nothing."""
    wanted = {
        "files": "each as its sha256 in the manifest says",
        "package": "one ONNX file of ONNX's own operators and its manifest, nothing else",
        "tensors": "the live version's inputs and outputs",
        "classes": "the live version's, or --map for each that is not",
    }
    return [
        Check(name, not found, "; ".join(found) if found else "as wanted", wanted[name])
        for name, found in problems.items()
    ]
