"""Sources: files and standard input as batches of rows, in constant memory.

One file per format, each a `Table`; `formats` is the registry, `source` joins tables into one `Source`.
"""

from .source import Batch, Source, open_source
from .table import SourceError

__all__ = ["Batch", "Source", "SourceError", "open_source"]
