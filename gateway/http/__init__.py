# SPDX-License-Identifier: Apache-2.0
"""EDGE - HTTP: JMAP, RSVP pages, health. Each area is a module with `routes(...)`; `server.py` puts them together."""
