# SPDX-License-Identifier: Apache-2.0
"""ADAPTER - handing mail to the next hop: SMTP, LMTP or a folder, with one result for each recipient."""
