"""Crime records as published by a city, turned into a lakehouse whose numbers can be trusted."""
