"""HDF5 files that hold their own content: nothing is read through them of other files."""

from __future__ import annotations

from typing import Any

import h5py

# Of deflate; the other filters of HDF5 pack less.
_MOST_PACKED = 1032


def own_items(file: Any) -> dict[str, Any]:
    """Items at a file's root, by key; links into other files are refused unfollowed.

    Raises
    ------
    OSError : a link leads into another file
    """
    for key in file:
        link = file.get(key, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise OSError(f"its key {key!r} leads into another file, {link.filename}")
    return {str(key): file.get(key) for key in file}


def require_own(dataset: Any) -> None:
    """Check that a dataset's values lie in its own file, and that the file can hold as many as it promises.

    Raises
    ------
    OSError : they lie elsewhere, or were never written
    """
    if dataset.external or dataset.is_virtual:
        raise OSError(f"the values of {dataset.name} lie in other files")
    stored = int(dataset.id.get_storage_size())
    if dataset.nbytes > stored * _MOST_PACKED:
        raise OSError(f"{dataset.name} promises {dataset.nbytes:,} bytes and {stored:,} are stored")
