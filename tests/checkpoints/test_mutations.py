"""Mutated checkpoints: none passes for what was saved, and none does more than fail."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import DamagedCheckpoint, StateMismatch
from populace.checkpoints import LocalCheckpoints, needs_template, pack, unpack
from populace.testing import MUTATIONS, mutant_of

BLOBS = [
    b"".join(pack({"w": np.full(40, member), "more": [{1, 2}, ("text", 0.5)]}, label={"member": member}))
    for member in range(2)
]
TRUSTED = [kind for kind in MUTATIONS if "pickle" not in kind]
SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("kind", MUTATIONS)
def test_no_mutant_is_accepted(tmp_path, kind):
    """A disk, a copy or a stranger has changed the file: whatever it holds now, it is not trained from."""
    store = LocalCheckpoints(tmp_path)
    digest = store.put([BLOBS[0]])
    rng = random.Random(0)
    for _ in range(20):
        mutant = mutant_of(BLOBS[0], BLOBS[1:], tmp_path / "canary", rng, [kind])
        (tmp_path / "objects" / digest).write_bytes(mutant.content)
        with pytest.raises(DamagedCheckpoint, match="has changed"):
            store.get(digest)
    assert not (tmp_path / "canary").exists()


@settings(max_examples=300)
@given(seed=SEEDS, trusted=st.booleans())
def test_mutant_behind_the_digest_is_read_or_refused(tmp_path_factory, seed, trusted):
    """Should a digest ever vouch for such bytes, the reader must still neither crash nor execute what they say.

    A run that allows pickles has said that it trusts whoever writes them, so these are left out there.
    """
    canary = tmp_path_factory.getbasetemp() / "canary"
    kinds = TRUSTED if trusted else list(MUTATIONS)
    mutant = mutant_of(BLOBS[0], BLOBS[1:], canary, random.Random(seed), kinds)
    with suppress(DamagedCheckpoint, StateMismatch):
        needs_template(mutant.content)
        assert isinstance(unpack(mutant.content, allow_pickle=trusted), dict)
    assert not canary.exists()
