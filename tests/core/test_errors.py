"""`runengine.errors`: one tree, data in attributes, and every error pickles."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from runengine import errors
from runengine.errors import RunEngineError, TransitionNotAllowed

SAMPLES: dict[str, Any] = {
    "str": "some text",
    "str | None": "more text",
    "int": 3,
    "int | None": 4,
    "float": 1.5,
    "Any": ("any", 1),
    "Sequence[str]": ["a", "b"],
    "tuple[str, ...]": ("a", "b"),
}
"""An argument for each annotation that an error's parameters have."""

CLASSES: list[type[RunEngineError]] = [getattr(errors, name) for name in errors.__all__]


def sample(kind: type[RunEngineError]) -> RunEngineError:
    """One error of that class, every parameter filled by its annotation."""
    if not inspect.isfunction(kind.__init__):
        return kind("some text")
    parameters = list(inspect.signature(kind).parameters.values())
    return kind(*(SAMPLES[parameter.annotation] for parameter in parameters))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
class TestEveryError:
    """What holds of each class in `runengine.errors`."""

    def test_it_pickles(self, kind: type[RunEngineError]) -> None:
        """An error comes back from a pickle, in every protocol, with its class, message and attributes."""
        error = sample(kind)
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            back = pickle.loads(pickle.dumps(error, protocol))
            assert type(back) is kind
            assert (str(back), vars(back), back.args) == (str(error), vars(error), error.args)

    def test_it_copies(self, kind: type[RunEngineError]) -> None:
        """A copy has the same attributes: `copy` goes the way that pickles go."""
        error = sample(kind)
        assert vars(copy.copy(error)) == vars(copy.deepcopy(error)) == vars(error)

    def test_its_parameters_are_its_attributes(self, kind: type[RunEngineError]) -> None:
        """What it is made of is kept under the same name, sequences as tuples, and the message shows some of it."""
        error = sample(kind)
        if inspect.isfunction(kind.__init__):
            for name, parameter in inspect.signature(kind).parameters.items():
                given = SAMPLES[parameter.annotation]
                assert getattr(error, name) == (tuple(given) if isinstance(given, list) else given), name
        assert "text" in str(error) or "a; b" in str(error)

    def test_it_is_in_the_tree(self, kind: type[RunEngineError]) -> None:
        """It descends from the one base, and the tree drawn in the module's docstring has it."""
        assert issubclass(kind, RunEngineError)
        assert kind.__name__ in (errors.__doc__ or "")


def test_all_lists_every_class() -> None:
    """`__all__` is sorted and names every error defined in the module, but for shared bases."""
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert sorted(name for name in defined if not name.startswith("_")) == errors.__all__


@pytest.mark.parametrize("name", ["TransitionNotAllowed", "InvalidSnapshot", "DialectError"])
def test_a_wrong_value_is_also_a_value_error(name: str) -> None:
    """Refused steps, snapshots and documents are `ValueError`s too, for those who catch only standard errors."""
    assert issubclass(getattr(errors, name), ValueError)


def test_a_refusal_pickles_with_its_defaults() -> None:
    """An error whose optional parts were left out comes back as it was."""
    error = TransitionNotAllowed("no", None, None, "start", "illegal")
    back = pickle.loads(pickle.dumps(error))
    assert vars(back) == vars(error)
    assert back.allowed == ()
