"""Where records come from: cities as data, feeds that read."""
