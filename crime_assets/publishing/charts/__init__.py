"""Pictures as SVG text: bars, lines, heat maps, maps. Pure functions of numbers; nothing here knows a table or a page.

They are drawn here rather than by a library, so that one picture serves the dashboard, the briefing and Dagster: it
needs no script, font or network, we choose colors and contrast, and it takes milliseconds.
"""
