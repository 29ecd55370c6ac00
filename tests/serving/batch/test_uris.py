"""What is printed of a URI has no secret in it, and is the same for a link that is signed anew."""

import pytest

from serving.batch.uris import is_uri, shown, shown_words, uri_name

SIGNED = "https://b.s3.amazonaws.com/a%20b.jpg?X-Amz-Date=2026&X-Amz-Credential=AK%2F1&X-Amz-Signature=0f3d"


@pytest.mark.parametrize(
    ("uri", "seen"),
    [
        ("https://ann:pass@host/a.jpg", "https://host/a.jpg"),
        ("https://ghp_token@host:8080/a.jpg", "https://host:8080/a.jpg"),
        (SIGNED, "https://b.s3.amazonaws.com/a%20b.jpg"),
        ("https://x.blob.core.windows.net/c/a.jpg?sv=2024&se=2027&sp=r&sig=ab%3D", "https://x.blob.core.windows.net/c/a.jpg"),
        ("https://host/photo?id=7&w=200&token=abc", "https://host/photo?id=7&w=200"),
        ("https://host/photo?q=eyJhbGciOiJIUzI1NiJ9", "https://host/photo?q=..."),
        ("abfss://photos@account.dfs.core.windows.net/a.jpg", "abfss://photos@account.dfs.core.windows.net/a.jpg"),
        ("zip://a.jpg::https://ann:pass@host/x.zip", "zip://a.jpg::https://host/x.zip"),
        ("s3://bucket/a.jpg", "s3://bucket/a.jpg"),
    ],
)  # fmt: skip
def test_secrets_are_not_shown(uri: str, seen: str) -> None:
    """Users, passwords and signatures go, containers and plain parameters stay."""
    assert shown(uri) == seen
    assert shown_words(f"404, url='{uri}', again") == f"404, url='{seen}', again"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (SIGNED, "b.s3.amazonaws.com/a b.jpg"),
        ("s3://bucket/a%20b.jpg", "bucket/a%20b.jpg"),
        ("https://host/photo?id=7", "host/photo_id=7"),
        ("memory://x/y.png", "x/y.png"),
        ("zip://a/b.jpg::simplecache::https://host/x.zip", "host/x.zip/a/b.jpg"),
    ],
)
def test_photos_are_named_by_host_and_path(place: str, name: str) -> None:
    """Only of web addresses "%20" is a blank."""
    assert uri_name(place) == name


@pytest.mark.parametrize("path", ["a.jpg", "/a/b", "C:/x", "./s3://x", "a://", "http:/a"])
def test_paths_are_no_uris(path: str) -> None:
    """A URI begins with a scheme and two slashes."""
    assert is_uri(path) is (path == "a://")
