"""dbt on the lake: `project` writes a project whose `sources` are the lake's tables, `plugin` lets dbt read them.

dbt reads the lake itself, whole and clear. What is computed with parameters, in Python or by several engines stays an
insight; models of dbt come after it.
"""
