# SPDX-License-Identifier: Apache-2.0
"""STORE - the truth, in SQL: SQLite (WAL) by default, PostgreSQL for many nodes; same schema, same code."""
