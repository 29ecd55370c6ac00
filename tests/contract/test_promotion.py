import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.errors import InvalidParameter, ManifestError, PromotionRefused, RegistryBusy, UnknownModel
from contract.history import Event, read_history
from contract.manifest import file_sha256
from contract.promotion import promote, reject, rollback, start_canary, withdraw
from contract.registry import changing, read_standing
from tests.contract.repositories import BAD, GOOD, add_version, change_manifest, judge

CHECKOUT = Path(__file__).parents[2]
Deed = Callable[[Path], Event]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Give a model of which version 1 is live and 2 is a candidate that the gate let through."""
    model = tmp_path / "pets"
    add_version(model, 1)
    with changing(model) as changes:
        changes.adopt()
    add_version(model, 2)
    judge(model, 2, against=1)
    return model


def states(model: Path) -> dict[int, str]:
    return {version: str(state) for version, state in read_standing(model).states.items()}


def test_a_version_that_the_gate_let_through_answers(model: Path) -> None:
    """It is live, the one before is kept, and the history says who and why."""
    event = promote(model, 2, who="ann", why="more photos")
    assert states(model) == {1: "previous", 2: "live"}
    assert read_history(model)[-1] == event
    assert (event.who, event.why, event.forced) == ("ann", "more photos", False)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(lambda model: add_version(model, 3), "has not looked at it", id="no verdict"),
        pytest.param(
            lambda model: (add_version(model, 3), judge(model, 3, against=1, checks=(GOOD, BAD))),
            "class cow: 0.51 against 0.76, wanted no less than 0.73",
            id="a check failed",
        ),
        pytest.param(
            lambda model: (add_version(model, 3), judge(model, 3, against=1, checks=())),
            "checked nothing",
            id="nothing checked",
        ),
        pytest.param(
            lambda model: (add_version(model, 3), judge(model, 3, against=1), promote(model, 2, who="ann")),
            "compared it with version 1, and version 2 is live now",
            id="another version is live now",
        ),
        pytest.param(
            lambda model: (add_version(model, 3), judge(model, 3, against=None)),
            "compared it with nothing",
            id="compared with nothing",
        ),
    ],
)
def test_the_gate_holds(model: Path, spoil: Callable[[Path], object], reason: str) -> None:
    """Without a verdict that passed, of what is live now, a version does not answer; nothing is written."""
    spoil(model)
    before = read_history(model)
    with pytest.raises(PromotionRefused, match=reason):
        promote(model, 3, who="ann")
    with pytest.raises(PromotionRefused, match=reason):
        start_canary(model, 3, who="ann")
    assert read_history(model) == before


def test_a_verdict_on_other_files(model: Path) -> None:
    """What the gate looked at must be what is published."""
    folder = model / "2"
    (folder / "model.onnx").write_bytes(b"other weights")
    with pytest.raises(ManifestError, match="sha256"):
        promote(model, 2, who="ann")
    change_manifest(folder, files={"model.onnx": file_sha256(folder / "model.onnx")})
    with pytest.raises(PromotionRefused, match="looked at other files"):
        promote(model, 2, who="ann")


def test_force_passes_over_the_gate_and_is_written_down(model: Path) -> None:
    """A refused version goes live with force and a reason, and the history says so."""
    judge(model, 2, against=1, checks=(BAD,))
    event = promote(model, 2, who="ann", why="cows are out of season", force=True)
    assert event.forced
    assert states(model) == {1: "previous", 2: "live"}


@pytest.mark.parametrize("why", ["", "  "])
def test_force_needs_a_reason(model: Path, why: str) -> None:
    """Without one nothing is done."""
    with pytest.raises(InvalidParameter, match="needs a reason"):
        promote(model, 2, who="ann", why=why, force=True)
    assert states(model)[2] == "candidate"


def test_force_that_had_nothing_to_pass_over(model: Path) -> None:
    """Where the gate let it through, the history does not say that it was forced."""
    assert not promote(model, 2, who="ann", why="to be sure", force=True).forced


def test_the_live_version_cannot_be_promoted(model: Path) -> None:
    """It answers already."""
    with pytest.raises(PromotionRefused, match="answers already"):
        promote(model, 1, who="ann", why="again", force=True)


@pytest.mark.parametrize(
    "deed",
    [
        lambda model: promote(model, 9, who="ann"),
        lambda model: start_canary(model, 9, who="ann"),
        lambda model: reject(model, 9, who="ann", why="no"),
    ],
    ids=["promote", "canary", "reject"],
)
def test_an_unknown_version(model: Path, deed: Deed) -> None:
    """The versions that there are are named."""
    with pytest.raises(UnknownModel, match=r"no version 9\n.*there are: 1, 2"):
        deed(model)


def test_an_unknown_model(model: Path) -> None:
    """The models that there are are named, and no folder is made."""
    with pytest.raises(UnknownModel, match=r"no published model 'cars'\n.*there are: pets"):
        promote(model.parent / "cars", 1, who="ann")
    assert not (model.parent / "cars").exists()


def test_a_canary_and_back(model: Path) -> None:
    """It answers its share; changed, withdrawn and promoted it stands where it should."""
    start_canary(model, 2, who="ann", share=0.1, shadow=0.2)
    standing = read_standing(model)
    assert (standing.canary, standing.share, standing.shadow) == (2, 0.1, 0.2)
    start_canary(model, 2, who="ann", share=0.5)
    assert read_standing(model).share == 0.5
    assert withdraw(model, who="ann").version == 2
    standing = read_standing(model)
    assert (states(model), standing.share) == ({1: "live", 2: "candidate"}, 0.0)
    with pytest.raises(PromotionRefused, match="no canary"):
        withdraw(model, who="ann")


def test_the_shadow_needs_no_gate(model: Path) -> None:
    """What never answers may be compared before the gate looked at it."""
    add_version(model, 3)
    start_canary(model, 3, who="ann", share=0, shadow=1)
    assert states(model)[3] == "canary"


@pytest.mark.parametrize(
    ("shares", "problem"),
    [({"share": 1.1}, "share 1.1"), ({"shadow": -0.1}, "shadow -0.1"), ({"share": 0}, "no request")],
)
def test_shares_are_parts(model: Path, shares: dict[str, float], problem: str) -> None:
    """Shares out of range, or none at all, are refused."""
    with pytest.raises(InvalidParameter, match=problem):
        start_canary(model, 2, who="ann", **shares)


def test_only_a_candidate_becomes_the_canary(model: Path) -> None:
    """What answers, and what was rejected, cannot."""
    with pytest.raises(PromotionRefused, match="version 1 is live"):
        start_canary(model, 1, who="ann")
    reject(model, 2, who="ann", why="too slow")
    with pytest.raises(PromotionRefused, match="version 2 is rejected"):
        start_canary(model, 2, who="ann")


def test_a_rejected_version(model: Path) -> None:
    """A rejection needs a reason, ends a canary, and cannot be said twice or of what answers."""
    start_canary(model, 2, who="ann")
    with pytest.raises(InvalidParameter, match="needs a reason"):
        reject(model, 2, who="gateway", why="")
    reject(model, 2, who="gateway", why="30 % errors")
    assert (states(model)[2], read_standing(model).canary) == ("rejected", None)
    with pytest.raises(PromotionRefused, match="rejected already"):
        reject(model, 2, who="ann", why="again")
    with pytest.raises(PromotionRefused, match="answers now"):
        reject(model, 1, who="ann", why="old")


def test_a_rollback(model: Path) -> None:
    """The version before answers again, the bad one is rejected, and further back it does not go."""
    promote(model, 2, who="ann")
    assert rollback(model, who="bob", why="cows").version == 1
    assert states(model) == {1: "live", 2: "rejected"}
    with pytest.raises(PromotionRefused, match="no previous version"):
        rollback(model, who="bob")


def test_a_rollback_to_a_damaged_version(model: Path) -> None:
    """A version whose files were changed does not come back."""
    promote(model, 2, who="ann")
    (model / "1" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ManifestError, match="sha256"):
        rollback(model, who="bob")
    assert states(model)[2] == "live"


@pytest.mark.parametrize(
    "deed",
    [
        lambda model: promote(model, 2, who="bob"),
        lambda model: start_canary(model, 2, who="bob"),
        lambda model: withdraw(model, who="bob"),
        lambda model: reject(model, 2, who="bob", why="no"),
        lambda model: rollback(model, who="bob"),
    ],
    ids=["promote", "canary", "withdraw", "reject", "rollback"],
)
def test_somebody_else_is_at_it(model: Path, deed: Deed) -> None:
    """While another changes the versions nothing is done, and the other is not disturbed."""
    before = read_history(model)
    with changing(model), pytest.raises(RegistryBusy, match="somebody else"):
        deed(model)
    assert read_history(model) == before


@pytest.mark.case("E10")
def test_two_promotes_at_once(model: Path, record_property: Callable[[str, object], None]) -> None:
    """Of two processes one promotes; the other is told that somebody else does, or that it is done."""
    code = (
        "import sys; from pathlib import Path; from contract.errors import RegistryError\n"
        "from contract.promotion import promote\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try: promote(Path(sys.argv[1]), 2, who=sys.argv[2]); print('promoted')\n"
        "except RegistryError as error: print(type(error).__name__)"
    )
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", code, model, who],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in ("ann", "bob")
    ]
    for process in pair:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = [process.communicate("go\n")[0].strip() for process in pair]
    assert sorted(said)[1] == "promoted"
    assert sorted(said)[0] in ("RegistryBusy", "PromotionRefused")
    assert [str(event.action) for event in read_history(model)].count("promote") == 2  # adopted, promoted
    record_property("seen", f"two processes: {' and '.join(sorted(said))}")


def test_what_was_rejected_needs_force(model: Path) -> None:
    """After a rollback the rejected version's old verdict fits again, and does not let it answer."""
    judge(model, 2, against=1)
    promote(model, 2, who="ann")
    rollback(model, who="ann", why="cows are dogs")
    with pytest.raises(PromotionRefused, match="it was rejected"):
        promote(model, 2, who="ann")
    assert promote(model, 2, who="ann", why="it was the camera", force=True).forced


def test_another_manifest_is_another_version(model: Path) -> None:
    """Classes that were swapped after the gate looked make its verdict worthless."""
    judge(model, 2, against=1)
    change_manifest(model / "2", scores={"val mIoU6": 0.99})
    with pytest.raises(PromotionRefused, match="or at another manifest"):
        promote(model, 2, who="ann")
