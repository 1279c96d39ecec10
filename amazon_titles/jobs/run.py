"""Sends a training to a machine of the Hub, follows its log, and judges it by the adapter that lands there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from amazon_titles.budget.flavors import dollars_an_hour
from amazon_titles.errors import AmazonTitlesError, PublishError, TrainingError
from amazon_titles.hub.client import Client, RepoState
from amazon_titles.hub.contents import Content
from amazon_titles.hub.push import Plan, PushReport, publish
from amazon_titles.hub_errors import status_of
from amazon_titles.jobs import preflight
from amazon_titles.jobs.spec import MOUNT, JobSpec, make_job_spec
from amazon_titles.progress import bar, say
from amazon_titles.recipes import Recipe
from amazon_titles.secrets import redact

if TYPE_CHECKING:
    from huggingface_hub import JobHardwareInfo, JobInfo

FILES_REPO = "amazon-titles-jobs"
"""The account's private dataset repository that jobs read this library from."""


def train_on_jobs(
    recipe: Recipe, *, flavor: str | None, engine: str = "autotrain", card_language: str = "en",
    ask: Callable[[str], bool] | None = None, dry_run: bool = False,
) -> tuple[str, str] | None:  # fmt: skip
    """Runs a recipe as a Hugging Face Job: trains there, and publishes the adapter with its card, privately.

    The token of the login or of HF_TOKEN goes to the job as a secret, and nowhere else. The log goes to stderr. Ctrl-C
    asks whether to cancel the job; where nobody can be asked the job runs on.

    Args:
        recipe: Base and dataset must be on the Hub.
        flavor: The machine, such as `l4x1`.
        engine: `autotrain`, in AutoTrain's image, or `trl`, in an environment that `uv` makes.
        card_language: Of the model card: `en` or `pt`.
        ask: Puts a question that is answered by yes or no; None where nobody can be asked.
        dry_run: Checks everything and says what would be sent.

    Returns:
        The repository where the adapter stands, and the job's id; None of a dry run.

    Raises:
        InputError: The recipe cannot run as a job, or there is no such machine.
        PublishError: Not logged in, no credit, or the Hub did not take it.
        TrainingError: The job failed; the message holds its last lines.
    """
    preflight.require_jobs()
    client = Client(preflight.target_of(recipe), "model", None)
    client.check_rights()
    machine = preflight.find_flavor(flavor, client.call("asking for the machines", client.api.list_jobs_hardware))
    sent = preflight.for_job(recipe, gpu=machine.accelerator is not None)
    preflight.check_recipe(sent, engine)
    before = client.state()
    preflight.check_target(client, before)
    hours = preflight.plan_hours(sent, machine, engine)
    spec = make_job_spec(sent, client.repo_id, engine=engine, card_language=card_language)
    if dry_run:
        say(f"image:    {spec.image}\ncommand:  {' '.join(spec.command)}\nmachine:  {machine.name}")
        say(f"secrets:  HF_TOKEN\nadapter:  {client.repo_id}, private\nmounted:")
    files = _publish_files(spec, client.token, dry_run=dry_run)
    if dry_run:
        say(str(files))
        return None
    job = _start(spec, client, files, machine.name, hours)
    tail, ended = _follow(client, job, ask)
    _judge(client, tail, ended, before, machine)
    return client.repo_id, job.id


def _publish_files(spec: JobSpec, token: str | None, *, dry_run: bool) -> PushReport:
    """Puts the job's files on the Hub, searched for secrets as whatever is published."""
    for place, reason in spec.left_out.items():
        say(f"left out: {place} ({reason})")
    home = Client(FILES_REPO, "dataset", token)
    home.check_rights()
    contents = [Content.of(name, content) for name, content in sorted(spec.files.items())]
    plan = Plan(
        "The job", contents, [], "job.py", "this library for jobs", lambda *_: f"mounted at {MOUNT} by the job",
        may_name_paths=list(spec.files),
    )  # fmt: skip
    return publish(plan, home, private=True, message="What a job runs", dry_run=dry_run)


def _start(spec: JobSpec, client: Client, files: PushReport, flavor: str, hours: float) -> JobInfo:
    """Starts the job on the commit that holds its files."""
    from huggingface_hub import Volume

    source = files.repo_id
    mounted: Any = Volume(type="dataset", source=source, mount_path=MOUNT, revision=files.commit, read_only=True)
    try:
        # Not tried again: a second request may start, and bill, a second job.
        job = client.api.run_job(
            image=spec.image, command=list(spec.command), flavor=flavor, timeout=int(hours * 3600), volumes=[mounted],
            secrets={"HF_TOKEN": client.token}, name=client.repo_id.partition("/")[2][:60],
            namespace=source.partition("/")[0],
        )  # fmt: skip
    except KeyboardInterrupt:
        say("The job may have been started: `hf jobs ps` shows it, `hf jobs cancel ID` ends it.")
        raise
    except Exception as error:
        raise _not_started(client, error) from None
    say(f"job {job.id} on {flavor}: {job.url}")
    return job


def _not_started(client: Client, error: Exception) -> AmazonTitlesError:
    said = redact(" ".join(str(error).split())[:300], client.token)
    match status_of(error):
        case 402:
            billing = f"Add some at {client.api.endpoint}/settings/billing and run it again."
            return PublishError("This account has no credit left for jobs; nothing was started.", hint=billing)
        case 403:
            hint = "Log in with a token that can write and start jobs."
            return PublishError(f"This token may not start jobs: {said}", hint=hint)
        case None:
            hint = "See `hf jobs ps` before you run it again."
            return PublishError(f"The Hub's answer was lost ({said}): the job may have been started.", hint=hint)
    return client.explain(error)


def _follow(client: Client, job: JobInfo, ask: Callable[[str], bool] | None) -> tuple[deque[str], JobInfo]:
    """Says the log as it comes, until the job has ended; gives its last lines, and how it ended."""
    tail: deque[str] = deque(maxlen=20)
    where: dict[str, Any] = {"job_id": job.id, "namespace": job.owner.name}
    later = f"follow it: hf jobs logs {job.id}   cancel it: hf jobs cancel {job.id}"
    try:
        try:
            with bar("waiting for the job", announce=False):
                for line in client.api.fetch_job_logs(**where, follow=True):
                    tail.append(redact(line.rstrip(), client.token))
                    say(tail[-1])
        except Exception as error:  # the log is lost, not the job
            say(f"The log was interrupted ({redact(str(error), client.token)}); waiting for the end. {later}")
        wait = partial(client.api.wait_for_job, **where, poll_interval=10)
        ended: Any = client.call("waiting for the job", wait)
        return tail, ended
    except KeyboardInterrupt:
        if ask is not None and ask(f"Cancel the job {job.id}?"):
            client.call("cancelling", lambda: client.api.cancel_job(**where))
            say(f"job {job.id} is cancelled")
        else:
            say(f"job {job.id} is still running and billed; {later}")
        raise


def _judge(client: Client, tail: deque[str], job: JobInfo, before: RepoState | None, machine: JobHardwareInfo) -> None:
    """A job went well when it says so and the adapter is there."""
    last = f"Its last lines ({job.url}):\n    " + "\n    ".join(tail)
    if job.status.stage != "COMPLETED":
        why = f": {redact(job.status.message, client.token)}" if job.status.message else ""
        raise TrainingError(f"The job {job.id} ended as {job.status.stage}{why}.", hint=last)
    now = client.state()
    if now is None or "adapter_model.safetensors" not in now.files or (before and before.commit == now.commit):
        raise TrainingError(f"The job {job.id} succeeded, but there is no new adapter at {client.repo_id}.", hint=last)
    if job.durations and (seconds := job.durations.running_secs) is not None:
        say(f"ran {seconds} s, about ${seconds / 3600 * dollars_an_hour(machine):.2f}")
