# SPDX-License-Identifier: Apache-2.0
"""The iMIP gateway: calendar scheduling by e-mail beside Postfix (RFC 5546, RFC 6047)."""

__version__ = "0.1.0"
