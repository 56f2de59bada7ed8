"""The command line: `populace`."""

from __future__ import annotations

from populace.cli._app import app, main

__all__ = ["app", "main"]
