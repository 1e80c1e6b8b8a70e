"""Adds the one thing that pyproject.toml cannot say: the optional native kernel of the checker."""

from setuptools import setup

setup(cffi_modules=["checkers/linearizability/_build.py:ffibuilder"])
