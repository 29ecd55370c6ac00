"""`box2seg predict`: photos to masks, here, by a cluster or by a server, however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.counting import Count
    from cli.ways import Way
    from serving.batch.ledger import Ledger
    from serving.batch.places import Place
    from serving.batch.run import Tally

SOME_FAILED = 1
STOPPED = 3
MODEL = "box2seg"
REPOSITORY = Path("model_repository")


def predict(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Photos, folders, patterns (`'*/a*.jpg'`), lists (.txt, a path or URI a line), tar and zip"
            " archives, Parquet tables, videos; on this machine or at URIs: s3://, gs://, az://, https://."
            " A URI of a folder of photos ends in a slash.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            metavar="DIR|URI", help="Folder for the masks, or an empty prefix of a store: s3://bucket/masks"
        ),
    ],
    format: Annotated[
        list[str] | None,
        typer.Option(
            help="May be repeated. For each photo: png (palette PNG of labels), overlay (a picture), rle,"
            " geojson, npz and others: README. For all together: coco (one COCO file), panoptic (COCO's"
            " PNGs and their JSON), parquet (a row per photo), sheet (the least confident photos). Of a"
            " video: overlay-video (mp4), mask-video (labels, lossless).  [default: png]"
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help=f"Name of a published model. [default: {MODEL}, or the server's]")
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help=f"Where models are published. [default: {REPOSITORY}]")
    ] = None,
    max_failures: Annotated[
        str | None,
        typer.Option(metavar="N|N%", help="Stop when more photos fail: 20, or 5% of them. [default: never]"),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh/--resume",
            help="Begin anew, without what earlier runs wrote into --out; or go on after them.",
        ),
    ] = False,
    ledger: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the account of what is done is kept, by --out; the same command goes on by it."
            " [default: in --out; of a URI in ~/.local/state/box2seg, so on the same machine]",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but what failed.")] = False,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Have a server segment: http://127.0.0.1:8000")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="BOX2SEG_KEY", help="The server's API key, where it asks for one.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Have a Ray cluster segment: its head's host:port, `auto` for the one that this machine is"
            " of, `local` for one of this machine alone. Needs the extra `ray`.",
        ),
    ] = None,
    ray_workers: Annotated[
        str | None,
        typer.Option(metavar="N|MIN-MAX", help="Workers. [default: what fits into the cluster]"),
    ] = None,
    ray_cpus: Annotated[
        float | None, typer.Option(help="CPUs of a worker. [default: 1, or with a GPU its share of them]")
    ] = None,
    ray_gpus: Annotated[
        float | None, typer.Option(help="GPUs of a worker; 0.25 lets four share one. [default: 0]")
    ] = None,
    ray_logs: Annotated[bool, typer.Option("--ray-logs", help="Show Ray's own bars and logs too.")] = False,
) -> None:
    """
    Segment photos: a mask for each, at the photo's own size.

    A photo that cannot be read is named and passed over. However the run ends, by Ctrl-C, a full disk or
    a power cut, the same command, without --fresh, goes on where it stopped. report.html in --out says what
    became of all.

    Exit codes: 0 all photos have masks; 1 some failed; 2 the command cannot be done as typed, its files not
    written, the cluster lost, or the server went over to another version; 3 more failed than --max-failures;
    130 stopped by Ctrl-C.

    A store at a URI is spoken to by its package (s3fs, gcsfs, adlfs), with the credentials that it finds as
    other programs do, such as in AWS_PROFILE; they are never written down.

    Example: box2seg predict holiday/ more.tar --out masks --format png --format overlay

    In a cluster: box2seg predict list.txt --out /shared/masks --ray auto --ray-workers 8-64

    Example: box2seg predict s3://bucket/photos/ --out s3://bucket/masks
    """
    from cli.clusters import find_site
    from cli.ways import check_way, engine_way, server_way
    from serving.batch.sources import are_far

    check_way(context, server=server, key=key, repository=repository)
    site = find_site(ray, ray_workers, ray_cpus, ray_gpus, loud=ray_logs, server=server)
    formats = tuple(format or ("png",))
    if server is None:
        far = are_far([*sources, out])
        way = engine_way(repository or REPOSITORY, model or MODEL, formats, site, far=far)
    else:
        way = server_way(server, key, model, formats)
    tally = _predict(sources, out, way, max_failures, ledger, fresh=fresh, quiet=quiet)
    if tally.stopped is not None:
        raise typer.Exit(STOPPED)
    if tally.failed:
        raise typer.Exit(SOME_FAILED)


def _predict(
    sources: list[str],
    destination: str,
    way: Way,
    max_failures: str | None,
    folder: Path | None,
    *,
    fresh: bool,
    quiet: bool,
) -> Tally:
    """Work the batch off with progress on stderr, and say what came of it."""
    import asyncio

    from cli.counting import counting
    from serving.batch.account import destination_of
    from serving.batch.budget import read_budget
    from serving.batch.fresh import begin_anew
    from serving.batch.ledger import Ledger
    from serving.batch.run import Batch
    from serving.batch.sources import check_places, find_items, videos_among
    from serving.batch.together import check_packages
    from serving.batch.together.videos import check_free, check_videos

    budget = read_budget(max_failures)
    out = destination_of(destination)
    check_places(sources, out)
    check_packages(way.outputs)
    videos = videos_among(sources)
    check_videos(way.outputs, videos)
    if fresh:
        begin_anew(out, way.suffixes, folder=folder)
    with (
        Ledger(out, way.identity, way.outputs, folder=folder) as ledger,
        counting(sources, out, quiet=quiet) as count,
    ):
        check_free(ledger, videos)

        async def work_off() -> Tally:
            async with way.segmenting(ledger) as segment:
                batch = Batch(ledger, segment, way.at_once, budget, count.tell)
                return await batch.work_off(find_items(sources, out))

        tally = asyncio.run(work_off())
        _conclude(tally, ledger, way, count, videos)
        return tally


def _conclude(tally: Tally, ledger: Ledger, way: Way, count: Count, videos: list[Place]) -> None:
    """Write what is made of all photos together, and say what became of them."""
    from contract.errors import DataError
    from serving.batch.items import SUFFIXES
    from serving.batch.report import write_report
    from serving.batch.together import write_together

    if not tally.settled:
        raise DataError("no photos found", hint=f"photos end in {', '.join(SUFFIXES)}")
    if tally.ended:
        write_together(ledger, way.classes, way.identity, videos)
    report = write_report(ledger, way.classes, way.identity, tally)
    count.conclude(tally, ledger.out, report)
