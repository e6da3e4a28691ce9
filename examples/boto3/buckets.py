#!/usr/bin/python3
"""Lists the buckets of an account and presigns a URL, without holding its key.

    buckets.py CREDENTIAL [REGION [ENDPOINT-URL [BUCKET KEY]]]
"""
import sys

import cretula_native
import cretula_signer


def main(argv):
    if not 2 <= len(argv) <= 6 or len(argv) == 5:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    region = argv[2] if len(argv) > 2 else "us-east-1"
    endpoint = argv[3] if len(argv) > 3 else None
    session = cretula_signer.boto3_session(argv[1], region_name=region)
    s3 = session.client("s3", endpoint_url=endpoint)
    try:
        for bucket in s3.list_buckets()["Buckets"]:
            print(bucket["Name"])
        if len(argv) == 6:
            print(s3.generate_presigned_url(
                "get_object", ExpiresIn=300,
                Params={"Bucket": argv[4], "Key": argv[5]}))
    except cretula_native.Refused as e:
        print("credd: %s (request %s)" % (e, e.request_id), file=sys.stderr)
        return 3 if e.error == "denied" else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
