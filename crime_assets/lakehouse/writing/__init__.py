"""What plans and commits: history, change days, insights, and what earlier commits removed."""
