# SPDX-License-Identifier: Apache-2.0
"""JSCalendar as a view of iCalendar (RFC 8984, JSCalendar 2.0, the conversion draft). Pure: values in, values out."""
