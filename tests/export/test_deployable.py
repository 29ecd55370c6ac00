import torch

from export.deployable import Deployable
from training.checkpoint import Checkpoint
from training.networks.segmentation import labels_and_confidence

IMAGES = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_answer_has_the_images_size(checkpoint: Checkpoint) -> None:
    """Labels and confidence are uint8 of the photo's height and width."""
    with torch.inference_mode():
        labels, confidence = Deployable(checkpoint.segmentation())(IMAGES)
    assert labels.shape == confidence.shape == (2, 64, 96)
    assert labels.dtype == confidence.dtype == torch.uint8


def test_answer_is_that_of_training(checkpoint: Checkpoint) -> None:
    """What is served is what evaluation in training sees."""
    network = checkpoint.segmentation()
    with torch.inference_mode():
        scores = network(network.normalise(IMAGES.permute(0, 3, 1, 2)))
        expected, sure = labels_and_confidence(scores, (64, 96))
        labels, confidence = Deployable(network)(IMAGES)
    # Two float32 orders of the same sums; a tie may fall either way.
    assert (labels == expected).float().mean() > 0.9999
    assert (confidence.int() - sure.int()).abs().max() <= 1
