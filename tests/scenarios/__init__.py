# SPDX-License-Identifier: Apache-2.0
"""Stories about calendars; see tests/support/scenario.py for their language."""
