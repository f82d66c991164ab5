# SPDX-License-Identifier: Apache-2.0
"""What only newer Pythons have of typing, or something near it: typing.get_type_hints() looks for it."""

from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from typing_extensions import Buffer, Unpack
else:
    try:
        from collections.abc import Buffer
    except ImportError:
        Buffer = Union[bytes, bytearray, memoryview]
    try:
        from typing import Unpack
    except ImportError:
        class Unpack:
            def __class_getitem__(cls, item: Any) -> Any:
                return item

__all__ = ["Buffer", "Unpack"]
