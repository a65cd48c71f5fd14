"""What [project.urls] has: all of it follows from one setting in pyproject.toml."""

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def urls(repository: str) -> dict[str, str]:
    """The pages of a repository at GitHub; none, as long as there is none."""
    if not repository:
        return {}
    return {
        "Homepage": repository,
        "Source": repository,
        "Documentation": f"{repository}/blob/main/docs/index.md",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


class Urls(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        metadata["urls"] = urls(self.config["repository"].rstrip("/"))
