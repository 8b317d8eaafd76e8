"""Makes docs/demo.svg from what `thaniya demo` prints: `thaniya demo | python docs/render_demo.py`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

# Without the fonts that the format would load from elsewhere.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

console = Console(record=True, width=112, file=sys.stderr)
console.print("$ make demo", style="bold")
for line in sys.stdin:
    console.print(line.rstrip("\n"), markup=False, highlight=False, overflow="crop", no_wrap=True)
Path(__file__).with_name("demo.svg").write_text(console.export_svg(title="make demo", code_format=FORMAT))
