"""`python -m benchmarks`: lists the benchmarks; `python -m benchmarks NAME` runs one."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> int:
    here = Path(__file__).parent
    names = sorted(path.stem for path in here.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        for name in names:
            module = importlib.import_module(f"benchmarks.{name}")
            print(f"{name:<12} {(module.__doc__ or '').splitlines()[0]}")
        if len(sys.argv) > 1 and sys.argv[1] not in ("-h", "--help"):
            print(f"benchmarks: there is no benchmark {sys.argv[1]!r}: name one of those above", file=sys.stderr)
            return 2
        return 0
    code = importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
