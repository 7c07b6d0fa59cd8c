"""AWS as every room meets it: clients of the standard chain, what their errors mean, the one region.

What is done with a service belongs in the room that does it: `streams` has S3 and Firehose, `engines` Athena. boto3 is
imported when a client is first asked for, so that the local profile does without it.
"""
