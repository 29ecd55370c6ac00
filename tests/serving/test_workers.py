"""What each of several workers may do, so that together they do what was set."""

import pytest

from contract.errors import ConfigurationError
from serving.settings import Settings, read_settings
from serving.workers import share_of


@pytest.mark.parametrize("workers", [1, 2, 5, 12])
def test_parts_add_up_to_the_whole(workers: int) -> None:
    """The workers' places are those of the server, each has at least one, and each has the whole queue."""
    settings = Settings(workers=workers, concurrency=12, queue=7)
    shares = [share_of(settings, number) for number in range(workers)]
    assert sum(share.concurrency for share in shares) == 12
    assert {share.queue for share in shares} == {7}
    assert min(share.concurrency for share in shares) >= 1
    assert {share.timeout_s for share in shares} == {settings.timeout_s}


def test_more_workers_than_photos_at_once_are_refused() -> None:
    """A worker without a place could answer nothing; the setting to raise is named."""
    with pytest.raises(ConfigurationError, match="BOX2SEG_CONCURRENCY"):
        read_settings(workers=13)
