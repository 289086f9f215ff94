"""The documents that the generators write today from our OpenAPI documents, against the five published ones."""

from __future__ import annotations

from typing import Final

import pytest

from tests.clients.generated import Clients
from tests.dialects.seed_fields import JOINS, SEEDS, parse

pytestmark = pytest.mark.slow

PLACES: Final = {
    "ruby": ("ruby", 6, "docs"),
    "julia": ("julia-client", 1, "docs"),
    "dart": ("dart-dio", 14, "doc"),
    "typescript": ("typescript-fetch", 12, "docs"),
    "kotlin-sql": ("ktorm-schema", 6, "docs"),
}
"""The generator, generation and folder of each document."""


@pytest.mark.parametrize("dialect", PLACES)
def test_the_published_document_comes_out(generated: Clients, dialect: str) -> None:
    """Our OpenAPI document of its generation makes the fields, types and notes of the published document."""
    generator, generation, folder = PLACES[dialect]
    text = (generated.source(generator, generation) / folder / "RunObject.md").read_text(encoding="utf-8")
    joins = list(JOINS.values()) if dialect == "kotlin-sql" else []
    assert parse(text) == [SEEDS[dialect], *joins]
