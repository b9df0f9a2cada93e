"""Registers our classes with transformers' Auto classes, without importing transformers.

`import gar` must be fast, yet after it `AutoModelForImageTextToText.from_pretrained(folder)` must work. Each of our
modules registers its own class when it is imported; here it is only seen to that they are imported in time:

* the configuration and the processor right after transformers' module with the Auto class in question (both import
  nothing that could still be half imported then);
* the model when the first `GARConfig` is made (see there): by then all of transformers that it needs is importable,
  and no Auto class looks for a model before it has a configuration.
"""

from __future__ import annotations

from importlib import import_module

from wrapt.importer import register_post_import_hook

__all__ = ["register_when_imported"]


def register_when_imported() -> None:
    """Imports configuration and processor as soon as transformers' Auto classes for them are imported."""
    register_post_import_hook(
        lambda _: import_module("gar.model.configuration"), "transformers.models.auto.configuration_auto"
    )
    register_post_import_hook(
        lambda _: import_module("gar.processing.processor"), "transformers.models.auto.processing_auto"
    )
