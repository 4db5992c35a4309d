from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import akrasia.gap

MODULES = [module.name for module in pkgutil.iter_modules(akrasia.gap.__path__, "akrasia.gap.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
