"""Where the language-neutral data of `schemas/` is: inside the installed package, or beside it in a checkout."""

from pathlib import Path

import tailrace


def schemas() -> Path:
    """The folder of schemas, migrations and prices. Raises FileNotFoundError if the installation lacks it."""
    package = Path(tailrace.__file__).parent
    for candidate in (package / "schemas", package.parent.parent / "schemas"):
        if (candidate / "topics.toml").is_file():
            return candidate
    raise FileNotFoundError(f"no schemas folder with a topics.toml beside {package}; reinstall tailrace")
