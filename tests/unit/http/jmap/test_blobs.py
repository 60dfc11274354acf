# SPDX-License-Identifier: Apache-2.0
"""Blobs: bytes in, the same bytes out, to the same account only."""

from tests.support.jmap import JmapClient


async def test_what_is_uploaded_can_be_downloaded(ann: JmapClient) -> None:
    answer = await ann.http.post(
        f"/jmap/upload/{ann.account_id}/", content=b"\x00hi", headers={"Content-Type": "text/plain"}
    )
    said = answer.json()
    assert (answer.status_code, said["size"], said["type"]) == (201, 3, "text/plain")
    answer = await ann.http.get(f"/jmap/download/{ann.account_id}/{said['blobId']}/a%22b.txt?type=text/html")
    assert answer.content == b"\x00hi"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%22b.txt"
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_the_same_bytes_are_the_same_blob(ann: JmapClient) -> None:
    first = (await ann.http.post(f"/jmap/upload/{ann.account_id}/", content=b"x")).json()
    assert (await ann.http.post(f"/jmap/upload/{ann.account_id}/", content=b"x")).json()["blobId"] == first["blobId"]


async def test_nobody_reads_or_writes_in_another_account(ann: JmapClient, eve: JmapClient) -> None:
    blob = (await ann.http.post(f"/jmap/upload/{ann.account_id}/", content=b"x")).json()["blobId"]
    for account in (ann.account_id, eve.account_id):
        assert (await eve.http.get(f"/jmap/download/{account}/{blob}/x")).status_code == 404
    assert (await eve.http.post(f"/jmap/upload/{ann.account_id}/", content=b"x")).status_code == 404


async def test_a_bad_media_type_is_not_kept(ann: JmapClient) -> None:
    answer = await ann.http.post(f"/jmap/upload/{ann.account_id}/", content=b"x", headers={"Content-Type": "evil"})
    assert answer.json()["type"] == "application/octet-stream"
