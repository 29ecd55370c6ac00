"""Recipes for PASCAL VOC and data sets in its layout."""

import dataclasses

from training.recipes.finetune import cross_entropy
from training.recipes.recipe import Recipe

ANIMALS = ("cat", "cow", "dog", "horse", "person", "sheep")
VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)


def voc_boxes() -> Recipe:
    """
    Train a small network from boxes alone, for CPUs.

    box2seg train --recipe voc_boxes --data VOC_FOLDER --out runs/first

    On 2,931 photos of six classes: 0.8 h on 2 cores of an AMD EPYC, and 0.5 h for GrabCut before; with
    foreground=1 and filling=5 val mIoU7 0.760, without person 0.786 (docs/results.md).
    """
    return Recipe(
        name="voc_boxes",
        classes=ANIMALS,
        unscored=("person",),
        warm_epochs=2,
        epochs=8,
        encoder_rate=0.2,
        # Nothing else pushes background pixels inside a box to background (docs/decisions.md).
        grabcut=1.0,
        # At their full weight these two drown it and masks grow too large (docs/decisions.md).
        foreground=0.2,
        filling=1.0,
    )


def voc_boxes_second() -> Recipe:
    """
    Go on from `voc_boxes` with its own masks in the boxes, which are better than GrabCut's; for CPUs.

    box2seg train --recipe voc_boxes_second --data VOC_FOLDER --out runs/second --set start=runs/first
    --set teacher=runs/first

    On the same photos: 0.6 h beside other work on one core of an AMD EPYC, and 0.2 h for the masks on two;
    val mIoU7 0.813, without person 0.834 (docs/results.md). A third round begins with the second.
    """
    return dataclasses.replace(
        # On masks as good as these the terms that believe boxes take 3 points away (docs/decisions.md).
        cross_entropy(voc_boxes()),
        name="voc_boxes_second",
        prior="teacher",
        grabcut_iterations=2,
        epochs=4,
        learning_rate=5e-4,
        average=0.998,
        evaluate_every=2,
    )


def voc_boxes_paper() -> Recipe:
    """
    Train what the paper trains: ResNet-101, three UPerNet decoders, all 20 classes; for GPUs.

    box2seg train --recipe voc_boxes_paper --data VOC2012 --out runs/paper

    Not run by us yet: no hours, no score. The learning rate, the epochs and the loss weights are our
    choice where the paper's are unknown (docs/decisions.md).
    """
    return Recipe(
        name="voc_boxes_paper",
        classes=VOC,
        encoder="resnet101",
        width=256,
        shared_decoder=False,
        long_side=512,
        crop=512,
        scales=(0.5, 2.0),
        warm_epochs=5,
        epochs=35,
        optimizer="sgd",
        learning_rate=0.01,
        weight_decay=1e-4,
    )
