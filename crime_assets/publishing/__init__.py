"""What leaves the lake for people to look at: small numbers hidden, the dashboard's extract, the briefing."""
