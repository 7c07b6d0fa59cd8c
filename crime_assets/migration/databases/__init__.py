"""Legacy databases: PostgreSQL is followed by logical decoding, Oracle and MariaDB by their old versions of rows."""
