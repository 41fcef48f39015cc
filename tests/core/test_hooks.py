"""Hooks: what is marked, misspelled and declared."""

import pytest

from stable_baselines_tf2.core import hooks


class Base:
    saved = ()
    log_tags = {}

    def __init_subclass__(cls):
        hooks.check_hooks(cls, ("saved", "log_tags"))
        hooks.check_saved(cls, cls.saved, ("env",))

    @hooks.hook
    def make_optimizer(self):
        """Makes an optimizer.

        More about it.
        """

    @property
    @hooks.hook
    def trainable(self):
        """Weights."""

    @classmethod
    @hooks.hook
    def restore(cls):
        """Restores."""

    def other(self):
        pass


class Middle(Base):
    @hooks.hook
    def gradient_step(self):
        """Makes a step."""


def test_hooks_are_listed_with_their_first_lines():
    assert hooks.hooks_of(Base) == {
        "make_optimizer": "Makes an optimizer.",
        "trainable": "Weights.",
        "restore": "Restores.",
    }
    assert list(hooks.hooks_of(Middle)) == ["make_optimizer", "trainable", "restore", "gradient_step"]


def test_overriding_and_other_names_are_fine():
    class Own(Middle):
        saved = ("tau",)

        def __init__(self, env, tau=1.0, *args, _private=None, **kwargs):
            pass

        def make_optimizer(self):
            pass

        def helper(self):
            pass

    assert hooks.hooks_of(Own) == hooks.hooks_of(Middle)


@pytest.mark.parametrize(
    "name, meant",
    [
        ("make_optimiser", "make_optimizer"),
        ("_make_optimizer", "make_optimizer"),
        ("gradient_steps", "gradient_step"),
        ("log_tag", "log_tags"),
    ],
)
def test_misspelled_hooks(name, meant, monkeypatch):
    message = f"Own.{name} is not a hook of its base classes; did you mean '{meant}'\\? The hooks are gradient_step"
    with pytest.raises(TypeError, match=message):
        type("Own", (Middle,), {name: lambda self: None})
    monkeypatch.setattr(hooks, "strict", False)
    with pytest.warns(UserWarning, match=message):
        type("Own", (Middle,), {name: lambda self: None})


def test_undeclared_arguments(monkeypatch):
    def make():
        class Own(Base):
            saved = ("gamma",)

            def __init__(self, env, gamma=0.9, tau=1.0, beta=2.0):
                pass

    message = (
        r"Own.saved does not name tau, beta, so that a file would not hold them. Write saved = \(\*Base.saved, 'tau'"
    )
    with pytest.raises(TypeError, match=message):
        make()
    monkeypatch.setattr(hooks, "strict", False)
    with pytest.warns(UserWarning, match="tau, beta"):
        make()


def test_what_a_base_saves_must_stay():
    class Parent(Base):
        saved = ("gamma",)

        def __init__(self, gamma=0.9):
            pass

    with pytest.raises(TypeError, match=r"Own.saved does not name gamma.*saved = \(\*Parent.saved, "):

        class Own(Parent):
            saved = ("tau",)

            def __init__(self, gamma=0.9, tau=1.0):
                pass
