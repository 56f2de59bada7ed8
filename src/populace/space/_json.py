"""Reading a dimension back from its JSON form."""

from __future__ import annotations

from collections.abc import Mapping

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
        raise SpaceError(
            f"the kind of a dimension must be one of {', '.join(_KINDS)}, but got {kind!r} in {data!r}: "
            "correct it, or read it with the version of populace that wrote it"
        )
    try:
        return _KINDS[kind](**arguments)  # type: ignore[arg-type]  # every kind checks its arguments at run time
    except TypeError as error:
        raise SpaceError(f"{kind} must be given its own arguments, but got {arguments!r}: {error}") from error
