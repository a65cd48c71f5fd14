"""Write the project that docs/testing.md describes: its code blocks that begin with a file name.

python tests/testing/project.py FOLDER
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs/testing.md"
FILE = re.compile(r"^```python\n(# (\w+\.py)\n.*?)^```$", re.DOTALL | re.MULTILINE)


def write(folder: Path) -> list[str]:
    """Write the files; their names."""
    files = {name: code for code, name in FILE.findall(DOCS.read_text())}
    for name, code in files.items():
        (folder / name).write_text(code)
    return [*files]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
