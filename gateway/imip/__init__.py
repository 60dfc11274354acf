# SPDX-License-Identifier: Apache-2.0
"""PURE - mail around iTIP (RFC 6047): find, read, build and render; bytes and values in, values out."""
