"""What leaves the lake for people: hiding small numbers, the dashboard's extract, the dashboard, the briefing."""
