"""The dashboard: pages, pictures and tables over prepared extracts. It reads these, and never the lake.

`choice` is what a person asks for in the address; `figures` answers it with tables, with small numbers hidden;
`pictures` draws them; `app` puts them on pages and serves them as files.
"""
