"""WHEN: jobs, the daily schedule, and the sensors that carry a change day through the graph."""
