"""Our OpenAPI documents against the published schemas, as the table of fields by generation describes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from runengine.core.generations import GENERATIONS
from tests.clients.openapi import Schema, document

PUBLISHED: Final = Path(__file__).resolve().parents[3] / "shared" / "spec" / "runobject_fields_by_generation.json"


def described(field: Schema, schemas: dict[str, Schema]) -> dict[str, Any]:
    """A field of our document in the words of the table."""
    members = field.get("allOf", [field])
    target = members[0].get("$ref")
    referred = schemas[target.rsplit("/", 1)[-1]] if target else {}
    if "allOf" in field:
        null = "nullable(allOf)"
    elif field.get("nullable"):
        null = "nullable"
    else:
        null = (
            "nullable(ref anyOf null)" if "anyOf" in referred else "nullable(ref)" if referred.get("nullable") else "no"
        )
    return {
        "nullable": null,
        "type": [target] if "allOf" in field else target or field["type"],
        "enum": sorted(field.get("enum", [])),
        "min": field.get("minimum"),
        "maxItems": field.get("maxItems"),
        "format": field.get("format"),
        "default": field.get("default"),
    }


@pytest.mark.parametrize("generation", range(len(GENERATIONS)), ids=lambda n: f"G{n}")
@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the table of published fields is not beside this checkout")
def test_the_run_is_the_published_one(generation: int) -> None:
    """Names, order, types, nullability, words, limits and defaults of a run's fields are the published ones."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))[GENERATIONS[generation].name]
    ours = document(generation)
    schemas = ours["components"]["schemas"]
    run = schemas["RunObject"]
    assert ours["openapi"] == published["openapi"]
    assert list(run["properties"]) == list(published["fields"])
    for name, expected in published["fields"].items():
        assert (name in run["required"]) == expected["required"]
        wanted = {key: value for key, value in expected.items() if key != "required"}
        wanted["enum"] = sorted(wanted["enum"] or [])
        assert described(run["properties"][name], schemas) == wanted, name


@pytest.mark.parametrize("generation", range(len(GENERATIONS)), ids=lambda n: f"G{n}")
def test_every_reference_leads_somewhere(generation: int) -> None:
    """Every `$ref` of a document names a schema of it, and every schema but the roots is referred to."""
    text = json.dumps(document(generation))
    schemas = document(generation)["components"]["schemas"]
    named = {name for name in schemas if f'"#/components/schemas/{name}"' in text}
    assert text.count('"$ref"') == sum(text.count(f'"#/components/schemas/{name}"') for name in schemas)
    assert named == set(schemas)
