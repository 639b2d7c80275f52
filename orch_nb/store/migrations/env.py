"""Runs migrations on the connection, and in the transaction, of whoever asked for them."""

from alembic import context

from orch_nb.store.schema import VERSION_TABLE
from orch_nb.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by building it anew
)
context.run_migrations()
