"""Loads what is run as a command and has no ending, for its tests."""

import importlib.machinery
import importlib.util
import pathlib
import types


def load(name: str) -> types.ModuleType:
    path = str(pathlib.Path(__file__).with_name(name))
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
