"""Prints how Firehose is to write, as JSON.

Deliveries of crimes, the S3 destination of `aws firehose create-delivery-stream`:

.venv/bin/python deploy/delivery_stream.py BUCKET ROLE_ARN PREFIX

Live reports of a Kinesis stream, its `--cli-input-json` but for the name (docs/live.md):

.venv/bin/python deploy/delivery_stream.py BUCKET ROLE_ARN PREFIX STREAM_ARN
"""

import json
import sys

from crime_assets.streams.firehose import delivery_stream_settings

if __name__ == "__main__":
    bucket, role_arn, prefix, *stream = sys.argv[1:]
    if stream:
        from crime_assets.incidents.firehose import history_stream_settings

        settings = history_stream_settings(bucket, role_arn, stream[0], prefix)
    else:
        settings = delivery_stream_settings(bucket, role_arn, prefix)
    print(json.dumps(settings))
