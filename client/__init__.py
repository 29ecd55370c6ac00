"""The Python client: photos to labels by a server, waiting or async. Needs no serving, no torch."""

from client.answers import Answer
from client.asking import AsyncClient
from client.jobs import Job
from client.waiting import Client

__all__ = ["Answer", "AsyncClient", "Client", "Job"]
