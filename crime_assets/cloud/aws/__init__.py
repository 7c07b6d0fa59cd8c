"""What all rooms need of AWS: clients with the standard credential chain, what their errors mean, the one region.

Work with a service belongs in the room that does it: `streams` has S3 and Firehose, `engines` Athena. boto3 is
imported when a client is first asked for, so that the local profile does not need it.
"""
