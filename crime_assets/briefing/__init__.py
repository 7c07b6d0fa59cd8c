"""The daily briefing: what changed, on one page to read on a phone or on paper, without a network.

`changes` picks what is worth reading, `pages` puts it on a page of HTML and of PDF. All numbers come from the figures of
the dashboard, and so with small numbers hidden.
"""
