"""Writes the JSON Schemas of the configuration files, for editors: config/schemas/*.json.

    python -m tools.schemas

A test holds them to the models that read the files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.policy.documents import RoleDocument, SyndicationsDocument, TemplateDocument
from gateway.settings import Settings
from gateway.store.api_keys import KeysDocument

ROOT = Path(__file__).resolve().parent.parent
MODELS: dict[str, type[BaseModel]] = {
    "gateway": Settings,
    "role": RoleDocument,
    "syndications": SyndicationsDocument,
    "keys": KeysDocument,
}


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema. A template is wrapped in ``D``, as Spark has it."""
    found = {name: _schema(model) for name, model in MODELS.items()}
    template = _schema(TemplateDocument)
    definitions = template.pop("$defs", {})
    found["template"] = {
        "$schema": template.pop("$schema"),
        "$defs": {**definitions, "Template": template},
        "type": "object",
        "properties": {"D": {"$ref": "#/$defs/Template"}},
        "required": ["D"],
        "additionalProperties": False,
    }
    return found


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


def text_of(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    folder = ROOT / "config" / "schemas"
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / f"{name}.schema.json").write_text(text_of(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
