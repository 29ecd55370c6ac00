"""What of the annotations a run has read, by itself or through what it began with: said with every result."""

from pathlib import Path

from training.checkpoint import load_checkpoint
from training.data import Example
from training.priors.sam import Sam
from training.recipes.recipe import Recipe


def what_is_read(recipe: Recipe, examples: list[Example], data: str, split: str) -> str:
    """
    Name all that the weights depend on, such as "boxes" or "237 masks of voc_animals val, boxes".

    What the starting checkpoint and the teacher had read is read through them. SAM had read masks of its own.

    Args:
        recipe: The run's.
        examples: Its photos; in a run that reads masks, those with a person's mask are counted.
        data: The data set's name.
        split: What it learns from; the masks' name where the recipe gives none.
    """
    words: list[str] = []
    for earlier in (recipe.start, recipe.teacher):
        if earlier:
            words += load_checkpoint(Path(earlier)).origin.reads.split(", ")
    if recipe.reads_boxes:
        words.append("boxes")
    if recipe.prior == "sam" and recipe.learn != "masks":
        words.append(Sam.reads)
    masks = sum(example.exact for example in examples)
    if masks:
        words.append(f"{masks} masks of {data} {recipe.masks or split}")
    return ", ".join(sorted(dict.fromkeys(words)))
