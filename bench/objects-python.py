"""The same GETs by boto3 or s3dlio: as many threads as connections, bytes counted."""
import json
import sys
import threading

spec = json.load(sys.stdin)
library = sys.argv[1]
width = len(str(spec["files"]))
parts = -(-spec["recordBytes"] // spec["partBytes"]) if spec["partBytes"] else 1
lock = threading.Lock()
asked = 0
total = 0


def requests():
    """Keys and ranges, each given out once over all threads."""
    global asked
    while True:
        with lock:
            if asked == spec["gets"]:
                return
            n = asked
            asked += 1
        key = f"{spec['name']}/train/img_{n // parts % spec['files']:0{width}}_of_{spec['files']}.npz"
        yield key, (n % parts) * spec["partBytes"]


def by_boto3():
    global total
    import boto3
    from botocore.config import Config

    client = boto3.session.Session().client("s3", config=Config(s3={"addressing_style": "path"}))
    got = 0
    for key, begin in requests():
        ranged = {"Range": f"bytes={begin}-{begin + spec['partBytes'] - 1}"} if spec["partBytes"] else {}
        got += len(client.get_object(Bucket="bucket", Key=key, **ranged)["Body"].read())
    with lock:
        total += got


def by_s3dlio():
    global total
    import s3dlio

    got = 0
    for key, begin in requests():
        uri = f"s3://bucket/{key}"
        got += len(s3dlio.get_range(uri, begin, spec["partBytes"]) if spec["partBytes"] else s3dlio.get(uri))
    with lock:
        total += got


threads = [threading.Thread(target={"boto3": by_boto3, "s3dlio": by_s3dlio}[library]) for _ in range(spec["connections"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(total)
