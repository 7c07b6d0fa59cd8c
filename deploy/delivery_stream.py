"""Prints how Firehose is to write deliveries, as JSON: the S3 destination of `aws firehose create-delivery-stream`.

.venv/bin/python deploy/delivery_stream.py BUCKET ROLE_ARN PREFIX
"""

import json
import sys

from crime_assets.streams.firehose import delivery_stream_settings

if __name__ == "__main__":
    bucket, role_arn, prefix = sys.argv[1:]
    print(json.dumps(delivery_stream_settings(bucket, role_arn, prefix)))
