"""What can be set from outside: read from the environment once, at the door."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from contract.errors import ConfigurationError
from contract.images import MAX_PIXELS
from contract.processors import available_processors

PREFIX = "BOX2SEG_"

MIB = 2**20

ROOT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

ROUTE = r"^(/[A-Za-z0-9._~:@-]+)+$"


def _also(name: str, *theirs: str) -> AliasChoices:
    """Have a setting read from the variables that clouds give it by as well, where ours is not there."""
    return AliasChoices(PREFIX + name, *theirs)


class Settings(BaseSettings):
    """The gateway's settings; each can be given as an environment variable BOX2SEG_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="after")
    def _check_engine(self) -> Self:
        if self.triton_url and self.engine != "triton":
            raise ValueError("a Triton's address goes with the engine triton alone")
        return self

    @model_validator(mode="after")
    def _check_roots(self) -> Self:
        for name, folder in (*self.jobs_roots.items(), *self.jobs_out_roots.items()):
            if not ROOT_NAME.fullmatch(name) or not folder.is_absolute():
                raise ValueError(
                    f"a root of jobs has a name of letters, digits, hyphens and low lines, and a whole path; "
                    f"got {name!r}: {str(folder)!r}"
                )
        return self

    @model_validator(mode="after")
    def _check_workers(self) -> Self:
        if self.workers > self.concurrency:
            raise ValueError(
                f"{self.workers} workers share {self.concurrency} photos at once; "
                f"raise {PREFIX}CONCURRENCY to {self.workers} at least"
            )
        return self

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""

    port: int = Field(
        default=8000,
        ge=0,
        le=65_535,
        validation_alias=_also("PORT", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"),
    )
    """Port to listen on; 0 for any free one."""

    open: bool = False
    """Listen beyond this machine without keys: anybody may ask."""

    engine: Literal["triton", "local"] = "triton"
    """What computes: a Triton, or this process itself."""

    triton_url: str | None = None
    """Host and port of a running Triton's gRPC; where not given, a local one is started."""

    repository: Path = Path("model_repository")
    """Folder with the published versions, the same that Triton mounts."""

    default_model: str = "box2seg"
    """The model that answers where a request names none."""

    workers: int = Field(default=1, gt=0)
    """Gateway processes behind the one port; they share the limits below among them."""

    max_pixels: int = Field(default=MAX_PIXELS, gt=0)
    """Photos with more pixels are refused by their header."""

    max_body_bytes: int = Field(default=32 * MIB, gt=0)
    """Requests with a longer body are refused [bytes]."""

    timeout_s: float = Field(default=10.0, gt=0)
    """How long an answer may take from when the request is all there, waiting included; 504 then [s]."""

    concurrency: int = Field(default=12, gt=0)
    """Photos worked on at once, each decoded in memory."""

    queue: int = Field(default=64, ge=0)
    """Photos that may wait for their turn; one more is 429."""

    join: int = Field(default=1, gt=0)
    """
    Photos of one shape that go to Triton in a row, past others, so that it computes them together, and photos
    of batches that are there at once: 8 for a GPU; on a CPU nothing is gained.
    """

    header_timeout_s: float = Field(default=10.0, gt=0)
    """How long a request's headers may take to come [s]."""

    receive_timeout_s: float = Field(default=30.0, gt=0)
    """How long a request's body may take to come; 408 then [s]."""

    write_timeout_s: float = Field(default=60.0, gt=0)
    """How long a client may take to read its answer; the connection is cut then [s]."""

    canary_requests: int = Field(default=50, gt=0)
    """So many of a canary's requests, or comparisons, are waited for before it is judged by them."""

    canary_errors: float = Field(default=0.05, ge=0, le=1)
    """The largest part of its requests that a canary may fail; more, and it is rejected."""

    canary_slowdown: float = Field(default=2.0, gt=0)
    """A canary's network may take so many times as long as the live version's; longer, and it is rejected."""

    canary_agreement: float = Field(default=0.8, ge=0, le=1)
    """
    The least part of pixels, in the mean over compared photos, to which a canary gives the live version's
    label; fewer, and it is rejected.
    """

    keys_file: Path | None = None
    """The file of API keys that `box2seg key` writes; where given, requests need one."""

    rate_per_s: float = Field(default=20.0, gt=0)
    """Requests per second of a key that has no rate of its own; more are 429."""

    burst: int = Field(default=40, gt=0)
    """Requests at once of a key that has no number of its own."""

    health_route: str = Field(
        default="/health", pattern=ROUTE, validation_alias=_also("HEALTH_ROUTE", "AIP_HEALTH_ROUTE")
    )
    """Where Vertex AI asks whether photos can be segmented; `/readyz` does as well."""

    predict_route: str = Field(
        default="/predict", pattern=ROUTE, validation_alias=_also("PREDICT_ROUTE", "AIP_PREDICT_ROUTE")
    )
    """Where Vertex AI sends photos."""

    log_format: Literal["text", "json"] = "text"
    """The log's lines: for people, or one JSON object each for programs."""

    drain_s: float = Field(default=2.0, ge=0)
    """How long after SIGTERM requests are still taken, so that load balancers see `/readyz` say 503 [s]."""

    grace_s: float = Field(default=20.0, ge=1)
    """How long requests under way may then take to finish [s]."""

    watch_every_s: float = Field(default=1.0, gt=0)
    """How often the repository is looked at for newly published versions [s]."""

    jobs_folder: Path | None = None
    """Where jobs lie, with their account; where not given, the server takes none."""

    jobs_roots: dict[str, Path] = {}
    """
    Folders whose photos jobs may name, by the names they have there: {"photos": "/data/photos"}. Links that
    lead out of them are not followed.
    """

    jobs_out_roots: dict[str, Path] = {}
    """Folders below which jobs may leave their results, in new folders, by the names they have there."""

    jobs_max_bytes: int = Field(default=2 * 1024 * MIB, gt=0)
    """Archives with more bytes are refused; each photo in them may be as long as any other body [bytes]."""

    jobs_receive_timeout_s: float = Field(default=3600.0, gt=0)
    """How long an archive may take to come; 408 then [s]."""

    jobs_free_bytes: int = Field(default=1024 * MIB, ge=0)
    """So much of the disk stays free: archives are refused, and jobs wait, rather than fill it [bytes]."""

    jobs_per_key: int = Field(default=8, gt=0)
    """Jobs that a key may have queued or running; one more is 429."""

    jobs_keep_s: float = Field(default=86_400.0, gt=0)
    """So long after its end a job is removed with its result [s]."""

    def processors(self) -> int:
        """Give how many processors one worker may keep busy."""
        return max(1, available_processors() // self.workers)


def read_settings(**given: object) -> Settings:
    """
    Read the environment; what is given here by name goes before it, None is not given.

    Raises:
        ConfigurationError: For a wrong value; names the variable.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**chosen)  # type: ignore[arg-type] # pydantic checks the values
    except SettingsError as error:  # such as {"photos": without its end
        field = str(error).partition('"')[2].partition('"')[0]
        raise ConfigurationError(
            f"{_variable(field)}: is no JSON", hint='such as {"photos": "/data/photos"}'
        ) from error
    except ValidationError as error:
        problems = "; ".join(_problem(each["loc"], each["msg"], each["input"]) for each in error.errors())
        raise ConfigurationError(problems, hint=f"there are {', '.join(_variables())}") from error


def _problem(location: tuple[int | str, ...], message: str, value: object) -> str:
    if not location:  # about several settings together
        return message.removeprefix("Value error, ")
    return f"{_variable(str(location[0]))}: {message.lower()}, got {value!r}"


def _variable(name: str) -> str:
    """Give the variable of a field, with those that clouds give it by, as any of them may have been read."""
    field = Settings.model_fields.get(name.removeprefix(PREFIX).lower())
    if field and isinstance(field.validation_alias, AliasChoices):
        return " or ".join(map(str, field.validation_alias.choices))
    return f"{PREFIX}{name.upper()}"


def _variables() -> list[str]:
    return [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
