"""The blocks of docs/notebooks.md, as the cells of one notebook in a real kernel."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "docs/notebooks.md"
CELL = re.compile(r"^```python\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")


def shown(cell: Any) -> str:
    """What a cell prints, and its value."""
    texts = (
        output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"] + "\n"
        for output in cell["outputs"]
    )
    return "".join(texts)


@pytest.mark.filterwarnings("default")  # of other packages
def test_the_cells_show_what_the_page_says() -> None:
    cells = CELL.findall(PAGE.read_text("utf-8"))
    assert len(cells) > 5
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code, _ in cells]
    )
    nbclient.NotebookClient(notebook, timeout=50, kernel_name="python3").execute()
    for (code, output), cell in zip(cells, notebook["cells"], strict=True):
        assert shown(cell) == output or "explain" in code
