# SPDX-License-Identifier: Apache-2.0
"""EDGE - the milter door (protocol 6): looks at mail while Postfix receives it, adds and removes only our headers."""
