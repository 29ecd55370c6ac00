"""What may stand behind the question mark, and the order that it makes with the rest of a request."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import InvalidParameter
from contract.images import decode_image
from contract.manifest import Manifest
from contract.masks import Segmentation
from serving.deadline import Deadline
from serving.formats import FORMATS, Format
from serving.gateway import Gateway
from serving.refinement import Refinement
from serving.routes.negotiation import choose_format
from serving.routes.wiring import TheGateway
from serving.telemetry import Stopwatch

SEPARATOR = ","
MOST_PIXELS = 2**31 - 1

# Written by hand, as what stands behind a question mark is left out rather than null.
Text = Annotated[str | None, WithJsonSchema({"type": "string"})]
FormatName = Annotated[str | None, WithJsonSchema({"type": "string", "enum": list(FORMATS)})]
Flag = Annotated[bool | None, WithJsonSchema({"type": "boolean"})]
Share = Annotated[
    float | None, Field(ge=0, le=1), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]

LABELLING = ("classes", "min_area", "threshold")
DRAWING = ("alpha", "outline")

Names = Annotated[list[str], WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1})]

FORMAT_LIST = "; ".join(f"`{name}`: {form.summary}" for name, form in FORMATS.items())


class ModelQuestion(BaseModel):
    """Which model is asked; anything else is refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: Text = None
    """Which model; where left out, the server's default."""


class Question(ModelQuestion):
    """What may stand behind the question mark; anything else is refused."""

    format: FormatName = Field(
        None,
        description=f"{FORMAT_LIST}. Where left out, the Accept header decides.",
    )

    classes: Names = []
    """Names of the classes to keep, with commas between them; the others become background."""

    threshold: Share = None
    """Pixels that the network is less sure of than this become void: label 255, class `void`."""

    min_area: int = Field(0, ge=0, le=MOST_PIXELS)
    """Connected parts of a class with fewer pixels become background."""

    alpha: Share = None
    """Overlays only: how strong the colours are."""

    outline: Flag = None
    """Overlays only: a fine line along the edges, unless false."""

    def look(self) -> dict[str, Any]:
        """Give what was asked of a drawing."""
        return self.model_dump(include=set(DRAWING), exclude_none=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer, and the headers that go with them."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Order:
    """
    What is wanted of a photo, checked before the photo is read.

    Args:
        manifest: Of the version that answers.
        form: What to give.
        refinement: What to take out first.
    """

    manifest: Manifest
    form: Format
    refinement: Refinement

    async def fill(
        self, data: bytes, gateway: Gateway, *, deadline: Deadline | None = None, behind: bool = False
    ) -> Answer:
        """
        Segment one photo, by the deadline or in the time that the settings allow; behind all that are not.

        Raises:
            ImageError: If the bytes are no photo that can be read.
            EngineError: If the engine fails.
            DeadlineExceeded: If the time is over.
            Overloaded: If too many wait already.
        """
        watch = Stopwatch()
        body, headers = await gateway.segment(
            lambda: decode_image(data, max_pixels=gateway.settings.max_pixels),
            self.manifest,
            self._write,
            watch=watch,
            deadline=deadline,
            confident=self.form.confident or self.refinement.confident,
            behind=behind,
        )
        timing = {"Server-Timing": watch.server_timing()}
        return Answer(body, self.headers() | timing | headers)

    def headers(self) -> dict[str, str]:
        """Say who answers."""
        return {"X-Model-Name": self.manifest.name, "X-Model-Version": str(self.manifest.version)}

    def _write(self, photo: Uint8, segmentation: Segmentation) -> tuple[bytes, dict[str, str]]:
        refined = self.refinement.refine(segmentation)
        body = self.form.encode(photo, refined, self.manifest.classes)
        # A canary may have answered; its classes are the same.
        return body, {"X-Model-Version": str(segmentation.version)} | self.form.headers(refined)


def check_question(given: Mapping[str, Any], *, where: str, strict: bool) -> Question:
    """
    Understand a question that does not stand behind a question mark.

    Args:
        given: Its parameters by name.
        where: Where they stand, for what is said of wrong ones.
        strict: Take values of their own type alone, as JSON has them; else texts too.

    Raises:
        InvalidParameter: If there is no such parameter, or it cannot have that value.
    """
    try:
        return Question.model_validate(given, strict=strict)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, (where, *each['loc'])))}: {each['msg'].lower()}" for each in error.errors()
        )
        raise InvalidParameter(problems, hint=f"there are: {', '.join(Question.model_fields)}") from error


def take_order(question: Question, accept: str, gateway: Gateway) -> Order:
    """
    Understand a question.

    Raises:
        UnknownFormat: If there is no such form, or the client accepts none.
        UnknownModel: If there is no such model.
        InvalidParameter: If there is no such class, or a parameter goes with another form.
    """
    form = choose_format(question.format, accept)
    _refuse_idle(question, form)
    manifest = find_model(question, gateway)
    refinement = Refinement(
        keep=_find_classes(question.classes, manifest.classes),
        threshold=question.threshold,
        min_area=question.min_area,
    )
    return Order(manifest, form.painted(**question.look()), refinement)


def find_model(question: ModelQuestion, gateway: Gateway) -> Manifest:
    """
    Give the version that answers now.

    Raises:
        UnknownModel: If there is no such model.
    """
    default = gateway.settings.default_model
    return gateway.models.find(default if question.model is None else question.model)


async def _order(
    request: Request, question: Annotated[Question, Query()], gateway: TheGateway
) -> AsyncIterator[Order]:
    accept = ", ".join(request.headers.getlist("accept"))
    order = take_order(question, accept, gateway)
    with gateway.models.held(order.manifest):  # while the photo comes, too
        yield order


TheOrder = Annotated[Order, Depends(_order)]
"""What a request to segment wants."""


def _refuse_idle(question: Question, form: Format) -> None:
    """Refuse what would change nothing, rather than pass over it in silence."""
    idle = set() if form.drawn else set(DRAWING)
    idle |= set() if form.labelled else set(LABELLING)
    asked = sorted(idle & question.model_fields_set)
    if asked:
        names = [name for name, each in FORMATS.items() if _shows(each, asked[0])]
        raise InvalidParameter(
            f"{asked[0]!r} changes nothing in this format", hint=f"it goes with format={' or '.join(names)}"
        )


def _shows(form: Format, parameter: str) -> bool:
    return form.drawn if parameter in DRAWING else form.labelled


def _find_classes(lists: list[str], classes: ClassMap) -> frozenset[int] | None:
    """Give the labels of the classes named; None where none is."""
    names = [name.strip() for each in lists for name in each.split(SEPARATOR)]
    for name in names:
        if name not in classes.foreground:
            raise InvalidParameter(
                f"classes: no class {name!r}", hint=f"there are: {', '.join(classes.foreground)}"
            )
    return frozenset(map(classes.index, names)) if names else None
