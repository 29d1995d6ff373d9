"""Prompts as JSON: stored versions in, the objects of the public API out."""

from typing import Any

from tailrace.query.json_text import embed_instant, embed_json
from tailrace.query.prompt_graph import Resolved
from tailrace.query.prompt_requests import PRODUCTION
from tailrace.query.rows import PromptMeta, PromptRead


def prompt_shape(project_id: str, one: PromptRead, resolved: Resolved | None = None) -> dict[str, Any]:
    """A version, with all that it includes if that is given."""
    prompt = one.prompt if resolved is None else resolved.prompt
    return {
        "id": one.id,
        "name": one.name,
        "version": one.version,
        "type": one.type,
        "prompt": prompt if one.type == "text" else embed_json(prompt),
        "config": embed_json(one.config),
        "labels": one.labels,
        "tags": one.tags,
        "commitMessage": one.commit_message,
        "resolutionGraph": None if resolved is None else resolved.graph,
        "isActive": PRODUCTION in one.labels,
        "projectId": project_id,
        "createdBy": one.created_by,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }


def prompt_meta_shape(one: PromptMeta) -> dict[str, Any]:
    """A name with what its chosen versions have."""
    return {
        "name": one.name,
        "type": one.type,
        "versions": one.versions,
        "labels": one.labels,
        "tags": one.tags,
        "lastUpdatedAt": embed_instant(one.last_updated_at),
        "lastConfig": embed_json(one.last_config),
    }
