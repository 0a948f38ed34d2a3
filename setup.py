"""The parts of the build that pyproject.toml cannot say: the C core, and the twistd plugin."""

from setuptools import find_packages, setup

setup(
    packages=find_packages(include=["redistill", "redistill.*"]),
    package_data={"redistill": ["core/**/*.h", "observe/status.html"]},
    include_package_data=False,
    cffi_modules=["redistill/_core_build.py:ffibuilder"],
    # A module of the namespace package twisted.plugins: no __init__.py of ours comes near Twisted's.
    py_modules=["twisted.plugins.redistill_plugin"],
)
