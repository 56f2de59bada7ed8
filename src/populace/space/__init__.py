"""The search space: what is tuned, how it is drawn and changed, and the keys all randomness comes from."""

from populace.space._columns import Column, column_of
from populace.space._continuous import Complement, LogUniform, Uniform
from populace.space._dimension import Dimension
from populace.space._discrete import Choice, Constant, Ordinal
from populace.space._integer import IntUniform, LogIntUniform
from populace.space._json import dimension_from_json
from populace.space._key import Hashed, Key
from populace.space._keys import Keys, agrees, bounded, doubles_of
from populace.space._space import Space
from populace.space._value import Hyperparameters, Value

__all__ = [
    "Choice",
    "Column",
    "Complement",
    "Constant",
    "Dimension",
    "Hashed",
    "Hyperparameters",
    "IntUniform",
    "Key",
    "Keys",
    "LogIntUniform",
    "LogUniform",
    "Ordinal",
    "Space",
    "Uniform",
    "Value",
    "agrees",
    "bounded",
    "column_of",
    "dimension_from_json",
    "doubles_of",
]
