# SPDX-License-Identifier: Apache-2.0
"""The JMAP door (RFC 8620, draft-ietf-jmap-calendars): session, API, blobs, push."""

from gateway.http.jmap.routes import routes

__all__ = ["routes"]
