"""The parts of the build that pyproject.toml cannot say: the C core, and the twistd plugin."""

from setuptools import setup

setup(
    packages=["redistill", "redistill.cli", "redistill.commands"],
    package_data={"redistill": ["core/**/*.h", "status.html"]},
    include_package_data=False,
    cffi_modules=["redistill/_core_build.py:ffibuilder"],
    # A module of the namespace package twisted.plugins: no __init__.py of ours comes near Twisted's.
    py_modules=["twisted.plugins.redistill_plugin"],
)
