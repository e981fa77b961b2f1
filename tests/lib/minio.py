"""A real MinIO of its own, and what an independent client (boto3) sees of it.

    m = Minio(tmp_path)         starts; HICLAW_MINIO is the program
    m.settings()                for Shell("minio", ...)
    m.client("alice", secret)   a boto3 client
    m.admin("PUT", "set-user-status", accessKey="alice", status="disabled")
"""
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT_USER, ROOT_SECRET = "rootuser", "root-secret-of-tests"
BUCKET = "hiclaw"
INSTANCE = "hiclaw-0000test"


def program():
    path = os.environ.get("HICLAW_MINIO", "")
    return path if path and os.access(path, os.X_OK) else None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Minio:
    def __init__(self, directory, **environment):
        self.data = pathlib.Path(directory) / "data"
        self.data.mkdir()
        self.log = open(pathlib.Path(directory) / "minio.log", "ab")
        self.port, self.console = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self.process = None
        self.start()

    def start(self, wait=True):
        self.process = subprocess.Popen(
            [program(), "server", str(self.data),
             "--address", f"127.0.0.1:{self.port}",
             "--console-address", f"127.0.0.1:{self.console}"],
            stdout=self.log, stderr=subprocess.STDOUT,
            env=dict(os.environ, MINIO_ROOT_USER=ROOT_USER,
                     MINIO_ROOT_PASSWORD=ROOT_SECRET,
                     MINIO_BROWSER="off", MINIO_UPDATE="off",
                     **self.environment))
        end = time.monotonic() + 60
        while wait:
            try:
                self.admin("GET", "info")
                return
            except (OSError, RuntimeError):
                assert self.process.poll() is None, "MinIO ended"
                assert time.monotonic() < end, "MinIO does not answer"
                time.sleep(0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()

    def settings(self, provider="minio", **more):
        return {"instance": INSTANCE, "storage": {
            "provider": provider, "url": self.url, "bucket": BUCKET,
            "region": "us-east-1", "access_key": ROOT_USER,
            "secret_key": ROOT_SECRET, **more}}

    def client(self, user=ROOT_USER, secret=ROOT_SECRET):
        import boto3
        from botocore.config import Config
        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=user,
            aws_secret_access_key=secret, region_name="us-east-1",
            config=Config(retries={"max_attempts": 0},
                          max_pool_connections=16,
                          s3={"addressing_style": "path"}))

    def admin(self, method, call, body=b"", user=ROOT_USER,
              secret=ROOT_SECRET, **query):
        """An admin call signed by botocore; the answer's bytes."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        url = f"{self.url}/minio/admin/v3/{call}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        request = AWSRequest(method=method, url=url, data=body)
        S3SigV4Auth(Credentials(user, secret), "s3", "us-east-1") \
            .add_auth(request)
        sent = urllib.request.Request(
            url, data=body or None, method=method,
            headers=dict(request.headers.items()))
        try:
            with urllib.request.urlopen(sent, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as e:
            raise RuntimeError(f"{e.code} {e.read().decode()}") from None

    def user(self, name):
        return json.loads(self.admin("GET", "user-info", accessKey=name))


def statement(effect, actions, resources, **condition):
    st = {"Effect": effect, "Action": actions}
    if resources:
        st["Resource"] = [f"arn:aws:s3:::{r}" for r in resources]
    if condition:
        st["Condition"] = condition
    return st


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}
