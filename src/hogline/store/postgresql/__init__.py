"""The store on PostgreSQL: the journal and the state in one database, written by one process at a time."""
