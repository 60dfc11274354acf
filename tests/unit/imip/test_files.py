# SPDX-License-Identifier: Apache-2.0
"""Files inside a calendar: what becomes an attachment, under which name and type, and how much."""

import pytest

from gateway.imip.files import MAX_FILES, MAX_OCTETS, read_files
from gateway.itip.tree import Prop


def attached(value: str = "QUJD", **params: str) -> Prop:
    return Prop("ATTACH", value, (("ENCODING", ("BASE64",)), *((name, (text,)) for name, text in params.items())))


@pytest.mark.parametrize(
    ("params", "media_type", "name"),
    [
        ({}, "application/octet-stream", "attachment-1.bin"),
        ({"FMTTYPE": "image/png"}, "image/png", "attachment-1.png"),
        ({"FMTTYPE": "Text/Plain; charset=utf-8", "FILENAME": "a.txt"}, "text/plain", "a.txt"),
        ({"FMTTYPE": "text/calendar"}, "application/octet-stream", "attachment-1.bin"),
        ({"FMTTYPE": "message/rfc822"}, "application/octet-stream", "attachment-1.bin"),
        ({"FMTTYPE": "multipart/mixed; boundary=x"}, "application/octet-stream", "attachment-1.bin"),
        ({"FMTTYPE": "a/b\r\nBcc: all"}, "application/octet-stream", "attachment-1.bin"),
        ({"FILENAME": '..\\..\\con"f.txt\r\nX: y'}, "application/octet-stream", "_.._con_f.txt X_ y"),
        ({"X-LABEL": "..."}, "application/octet-stream", "attachment-1.bin"),
    ],
)
def test_a_name_and_a_type_say_no_more_than_a_file(params: dict[str, str], media_type: str, name: str) -> None:
    (file,) = read_files([attached(**params)])
    assert (file.media_type, file.name, file.data) == (media_type, name, b"ABC")


def test_a_mail_takes_along_only_so_much() -> None:
    assert len(read_files([attached()] * 50)) == MAX_FILES
    large = attached("A" * (MAX_OCTETS // 3 * 4))
    assert [len(file.data) for file in read_files([large, large, attached()])] == [MAX_OCTETS // 3 * 3]
    assert read_files([Prop("ATTACH", "https://x.example/"), attached("%%%")]) == ()
