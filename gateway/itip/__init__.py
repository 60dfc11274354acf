# SPDX-License-Identifier: Apache-2.0
"""PURE - the iTIP engine (RFC 5546): calendars and messages in, values that say what should happen out."""
