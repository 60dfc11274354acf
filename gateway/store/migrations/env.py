# SPDX-License-Identifier: Apache-2.0
"""Alembic's entry: runs the steps on the connection that `gateway.store.migrate` hands over."""

from alembic import context

from gateway.store import schema

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=schema.domains.metadata, render_as_batch=True)
context.run_migrations()
