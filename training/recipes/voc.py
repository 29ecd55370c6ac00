"""Recipes for PASCAL VOC and data sets in its layout."""

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

    On 2,931 photos of six classes: 0.8 h on 2 cores of an AMD EPYC, and 0.5 h for GrabCut before; val mIoU7
    0.760, without person 0.786 (docs/results.md).
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
