# SPDX-License-Identifier: Apache-2.0
"""Unix sockets that doors listen on."""

import contextlib
import os
import socket
import stat


def bind_unix(path: str, mode: int) -> socket.socket:
    """Bind a unix socket with its file mode; one that a dead process left behind is replaced, a live one is not.

    Raises:
        OSError: it cannot be bound.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(17, "there is a file that is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            else:
                raise OSError(98, "another process listens there")
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(path)
        os.chmod(path, mode)
    except OSError:
        bound.close()
        raise
    return bound


def unbind_unix(path: str) -> None:
    """Take the name of a unix socket away that is closed."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
