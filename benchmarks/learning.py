"""
Training's speed as ratios in one run: GrabCut on all cores, the second start, the three networks' step.

    python benchmarks/learning.py [--data VOC_FOLDER] [--photos 40]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from contract.annotations import AnnotatedImage
from contract.processors import available_processors
from training.data import Batch
from training.datasets import open_dataset
from training.examples import build_prior
from training.losses.total import total_loss
from training.networks.box2seg import Box2Seg
from training.origin import machine_name
from training.priors.cache import PriorCache
from training.recipes import find_recipe
from training.recipes.recipe import Recipe

BATCH = 16
REPEATS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/voc_animals"))
    parser.add_argument("--photos", type=int, default=40, help="photos for the GrabCut comparison")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data} is no folder; name one with photos and boxes: --data VOC_FOLDER")
    recipe = find_recipe("voc_boxes")
    images = open_dataset(arguments.data, recipe.class_map).load("train").images
    report("machine", machine_name(torch.device("cpu")))
    compare_cores(recipe, images[: arguments.photos])
    time_second_start(recipe, images)
    compare_steps(recipe)


def compare_cores(recipe: Recipe, images: tuple[AnnotatedImage, ...]) -> None:
    """Time GrabCut over one and over all cores; goal: 1.8 times faster on two."""
    one, many = (seconds_to_fill(recipe, images, workers) for workers in (1, available_processors()))
    rate = len(images) / many
    report(
        f"GrabCut, 1 against {available_processors()} cores",
        f"{one / many:.2f} times faster, {rate:.2f} photos/s",
    )


def seconds_to_fill(recipe: Recipe, images: tuple[AnnotatedImage, ...], workers: int) -> float:
    """Fill an empty cache; starting the processes is timed as well, as a user waits for it."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        for _ in PriorCache(build_prior(recipe), Path(folder)).fill(images, workers=workers):
            pass
        return time.perf_counter() - began


def time_second_start(recipe: Recipe, images: tuple[AnnotatedImage, ...]) -> None:
    """Time finding every photo's mask in a full cache; goal: 10 s for 3,000 photos."""
    with tempfile.TemporaryDirectory() as folder:
        cache = PriorCache(build_prior(recipe), Path(folder))
        for image in images:
            cache.path(image).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", image.size[::-1]).save(cache.path(image))
        began = time.perf_counter()
        found = len(list(cache.fill(images, workers=1)))
        report("second start", f"{time.perf_counter() - began:.1f} s for {found} photos")


def compare_steps(recipe: Recipe) -> None:
    """Time a step of the three networks against segmentation with cross entropy; goal: 1.6 times."""
    torch.manual_seed(0)
    network = Box2Seg(recipe.network).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    batch = drawn_batch(recipe)

    def whole() -> Tensor:
        weights = recipe.loss_weights(recipe.epochs)
        return total_loss(network(batch.images_B3HW), batch, weights, gamma=recipe.gamma)[0]

    def alone() -> Tensor:
        segmentation = network.segmentation
        logits = segmentation(segmentation.normalise(batch.images_B3HW))
        return cross_entropy(logits, batch.at((logits.shape[-2], logits.shape[-1])).guess_BHW)

    times = [seconds_per_step(loss, optimizer) for loss in (whole, alone)]
    report(
        "step, three networks against one",
        f"{times[0] / times[1]:.2f} times, {BATCH / times[0]:.1f} photos/s",
    )


def seconds_per_step(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> float:
    """Give the fastest of some steps, after one to warm up."""
    times = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def drawn_batch(recipe: Recipe) -> Batch:
    """Give a batch of the recipe's size with one box per photo."""
    side, quarter = recipe.crop, recipe.crop // 4
    candidates = torch.zeros(BATCH, len(recipe.class_map), side, side, dtype=torch.bool)
    candidates[:, 0] = True
    candidates[:, 1, quarter:-quarter, quarter:-quarter] = True
    guess = candidates[:, 1].long()
    return Batch(torch.randint(0, 256, (BATCH, 3, side, side), dtype=torch.uint8), candidates, guess)


def report(what: str, figure: str) -> None:
    """Print a line of the table."""
    print(f"{what:<36}{figure}", flush=True)  # noqa: T201 (its output is the benchmark)


if __name__ == "__main__":
    main()
