"""Live reports by Spark Structured Streaming: the same rules over a stream that one machine cannot hold.

Only who chooses this engine loads it. All that it keeps lies in the landing store's place, as Spark reaches it.
"""
