"""Drives jobs, tasks and files with azure-batch 13 and the shared key: URL ACCOUNT KEY POOL JOB."""
import sys
import threading

import azure.batch.models as models
from azure.batch import BatchServiceClient
from azure.batch.batch_auth import SharedKeyCredentials

url, account, key, pool_id, job_id = sys.argv[1:]
client = BatchServiceClient(SharedKeyCredentials(account, key), batch_url=url)

skus = {image.node_agent_sku_id for image in client.account.list_supported_images()}
assert "batch.node.ubuntu 18.04" in skus, skus
assert client.pool.exists(pool_id)
assert not client.pool.exists("no-such-pool")
try:
    client.pool.get("no-such-pool")
    raise SystemExit("a pool that is not there was got")
except models.BatchErrorException as e:
    assert e.error.code == "PoolNotFound", e.error.code

client.job.add(models.JobAddParameter(id=job_id, pool_info=models.PoolInformation(pool_id=pool_id)))
tasks = [models.TaskAddParameter(id=f"task{n:03}", command_line=f"/bin/sh -c 'echo {n}; echo err >&2'") for n in range(120)]
added = client.task.add_collection(job_id, tasks)  # the client splits them into calls of 100
assert all(r.status == models.TaskAddStatus.success for r in added.value), [r.status for r in added.value]

pause = threading.Event()
for _ in range(600):
    counts = client.job.get_task_counts(job_id).task_counts
    if counts.completed == 120:
        break
    pause.wait(0.1)
assert (counts.succeeded, counts.failed) == (120, 0), counts

done = list(client.task.list(job_id, models.TaskListOptions(filter="state eq 'completed'", select="id,state", max_results=50)))
assert len(done) == 120, len(done)
text = b"".join(client.file.get_from_task(job_id, "task077", "stdout.txt"))
assert text == b"77\n", text
part = b"".join(client.file.get_from_task(job_id, "task077", "stderr.txt", models.FileGetFromTaskOptions(ocp_range="bytes=1-2")))
assert part == b"rr", part
names = {f.name for f in client.file.list_from_task(job_id, "task077", recursive=True)}
assert {"stdout.txt", "stderr.txt", "wd"} <= names, names
properties = client.file.get_properties_from_task(job_id, "task077", "stdout.txt", raw=True)
assert properties.response.headers["Content-Length"] == "3", properties.response.headers

client.job.terminate(job_id, terminate_reason="all done")
assert client.job.get(job_id).execution_info.terminate_reason == "all done"
client.job.delete(job_id)
print("all good")
