"""Finding the workspace that a command is about."""

from __future__ import annotations

from audience.models import Workspace


class WorkspaceNotNamed(Exception):
    """There is no such workspace, or several and none was named; the message says which there are."""


def named(slug: str | None) -> Workspace:
    """The workspace of this short name; without one, the only one there is. Raises WorkspaceNotNamed."""
    workspaces = {workspace.slug: workspace for workspace in Workspace.objects.all()}
    if not workspaces:
        raise WorkspaceNotNamed("There is no workspace yet. Create one first.")
    if slug is None and len(workspaces) == 1:
        return next(iter(workspaces.values()))
    if slug in workspaces:
        return workspaces[slug]
    wrong = f"There is no workspace {slug}." if slug else "Say for which workspace."
    raise WorkspaceNotNamed(f"{wrong} Use --workspace with one of: {', '.join(workspaces)}.")
