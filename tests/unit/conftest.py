# SPDX-License-Identifier: Apache-2.0
"""Certificates for the TLS tests."""

import ssl
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def tls_ca(tls_files: tuple[Path, Path]) -> Path:
    return tls_files[0]


@pytest.fixture
def tls_server(tls_files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*tls_files)
    return context
