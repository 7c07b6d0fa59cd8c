"""What leaves the lake for people: the dashboard's extract, the dashboard, the briefing, and projects of dbt."""
