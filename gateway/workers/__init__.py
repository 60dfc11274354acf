# SPDX-License-Identifier: Apache-2.0
"""EDGE - time instead of a socket: what runs by itself, how often, and what happens when it fails."""
