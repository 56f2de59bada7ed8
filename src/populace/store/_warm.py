"""Importing this compiles every statement of the SQL log, which takes a process longer than a hundred of its publishes.

A fork server imports it, so that none of its workers has to.
"""

from __future__ import annotations

from sqlalchemy.sql.base import Executable

from populace.store import _queries
from populace.store._database import compiled

for _statement in vars(_queries).values():
    if isinstance(_statement, Executable):
        compiled(_statement)
