# SPDX-License-Identifier: Apache-2.0
"""EDGE - mail comes in by SMTP: content filter, LMTP, submission. Protocol to flow, outcome to reply."""
