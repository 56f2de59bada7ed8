"""Reading a dimension back from its JSON form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields

from populace._errors import SpaceError
from populace.space._continuous import Complement, LogUniform, Uniform
from populace.space._dimension import Dimension
from populace.space._discrete import Choice, Constant, Ordinal
from populace.space._integer import IntUniform, LogIntUniform

_KINDS: Mapping[str, type[Dimension]] = {
    kind.__name__: kind
    for kind in (Uniform, LogUniform, Complement, IntUniform, LogIntUniform, Choice, Ordinal, Constant)
}


def dimension_from_json(data: object) -> Dimension:
    """Returns the dimension that `to_json` wrote.

    Raises:
        SpaceError: The kind is unknown, an argument is missing or unknown, or a value breaks the kind's rules.
    """
    arguments: dict[str, object] = dict(data) if isinstance(data, Mapping) else {}
    kind = arguments.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        near = difflib.get_close_matches(str(kind).lower(), [name.lower() for name in _KINDS], n=1)
        meant = [f"did you mean {name!r}?" for name in _KINDS if name.lower() in near] or ["name one of them"]
        raise SpaceError(
            f"the kind of a dimension must be one of {', '.join(_KINDS)}, but got {kind!r} in {data!r}: {meant[0]}"
        )
    known = {field.name: field.default is not MISSING for field in fields(_KINDS[kind])}
    missing = [name for name, may_be_left_out in known.items() if not may_be_left_out and name not in arguments]
    unknown = [name for name in arguments if name not in known]
    if missing or unknown:
        remedies = [*(f"add {name!r}" for name in missing), *(f"remove {name!r}" for name in unknown)]
        raise SpaceError(
            f"{kind} must be given its own arguments ({', '.join(known)}), but got {arguments!r}: "
            f"{' and '.join(remedies)}"
        )
    return _KINDS[kind](**arguments)  # type: ignore[arg-type]  # every kind checks its arguments at run time
