"""Sends a training to a machine of the Hub, follows its log, and judges it by the adapter that lands there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amazon_titles import resources
from amazon_titles.budget.flavors import dollars_an_hour
from amazon_titles.errors import AmazonTitlesError, PublishError, TrainingError
from amazon_titles.hub.client import Client, RepoState
from amazon_titles.hub.contents import Content
from amazon_titles.hub.push import Plan, publish
from amazon_titles.hub.validate import refuse, secrets_in
from amazon_titles.hub_errors import status_of
from amazon_titles.jobs import preflight
from amazon_titles.jobs.spec import MOUNT, JobSpec, make_job_spec
from amazon_titles.progress import say, waiting
from amazon_titles.recipes import Recipe
from amazon_titles.secrets import redact

if TYPE_CHECKING:
    from huggingface_hub import JobHardwareInfo, JobInfo

FILES_REPO = "amazon-titles-wheel"
"""The account's private dataset repository that jobs read this library from."""

_LAST_LINES = 20
_POLL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class JobRun:
    """A training that ran as a job.

    Attributes:
        id: Of the job; None in a dry run.
        url: Its page.
        repo_id: Where the adapter stands.
        commit: The commit that holds it.
    """

    id: str | None
    url: str
    repo_id: str
    commit: str | None


def train_on_jobs(
    recipe: Recipe,
    *,
    flavor: str | None,
    engine: str = "autotrain",
    card_language: str = "en",
    ask: Callable[[str], bool] | None = None,
    dry_run: bool = False,
) -> JobRun:
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

    Raises:
        InputError: The recipe cannot run as a job, or there is no such machine.
        PublishError: Not logged in, no credit, or the Hub did not take it.
        TrainingError: The job failed; the message holds its last lines.
    """
    preflight.require_jobs()
    client = Client(preflight.target_of(recipe), "model", None)
    client.check_rights()
    listed = client.call("asking for the machines", client.api.list_jobs_hardware)
    machine = preflight.find_flavor(flavor, listed)
    sent = preflight.for_job(recipe, gpu=machine.accelerator is not None)
    preflight.check_recipe(sent, engine)
    before = client.state()
    preflight.check_target(client, before)
    hours = preflight.plan_hours(sent, machine, engine)
    spec = make_job_spec(sent, client.repo_id, engine=engine, card_language=card_language)
    refuse(secrets_in([Content.of(name, text) for name, text in spec.texts()], client.token), "The job")
    for place, reason in resources.library_files().left_out.items():
        say(f"left out: {place} ({reason})")
    if dry_run:
        _describe(spec, client, machine)
        return JobRun(None, "", client.repo_id, None)
    job = _start(spec, client, machine.name, hours)
    return _judge(client, _follow(client, job, ask), job, before, machine)


def _describe(spec: JobSpec, client: Client, machine: JobHardwareInfo) -> None:
    mounted = ", ".join(f"{name} ({len(content):,} bytes)" for name, content in spec.files.items())
    say(f"image:    {spec.image}")
    say(f"command:  {' '.join(spec.command)}")
    say(f"machine:  {machine.name}\nsecrets:  HF_TOKEN\nmounted:  {mounted}")
    for name, content in spec.texts():
        if "/" in name:
            say(f"in the wheel: {name} ({len(content):,} bytes)")
    say(f"adapter:  {client.repo_id}, private\nNothing was sent: this was a dry run.")


def _start(spec: JobSpec, client: Client, flavor: str, hours: float) -> JobInfo:
    """Puts the job's files on the Hub, and starts it on that commit."""
    from huggingface_hub import Volume

    home = Client(FILES_REPO, "dataset", client.token)
    home.check_rights()
    contents = [Content.of(name, content) for name, content in sorted(spec.files.items())]
    plan = Plan(
        "The job", contents, [], "*.whl", "this library for jobs", lambda *_: f"mounted at {MOUNT} by the job",
        may_name_paths=list(spec.files),
    )  # fmt: skip
    commit = publish(plan, home, private=True, message="What a job runs").commit
    mounted: Any = Volume(type="dataset", source=home.repo_id, mount_path=MOUNT, revision=commit, read_only=True)
    try:
        # Not tried again: a second request may start, and bill, a second job.
        job = client.api.run_job(
            image=spec.image, command=list(spec.command), flavor=flavor, timeout=int(hours * 3600), volumes=[mounted],
            secrets={"HF_TOKEN": client.token}, name=client.repo_id.partition("/")[2][:60],
            namespace=home.repo_id.partition("/")[0],
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
    billing = f"Add some at {client.api.endpoint}/settings/billing and run it again."
    sentences = {
        402: ("This account has no credit left for jobs; nothing was started.", billing),
        403: (f"This token may not start jobs: {said}", "Log in with one that may write, jobs included."),
        None: (
            f"The Hub's answer was lost ({said}): the job may have been started.",
            "See `hf jobs ps` before you run it again.",
        ),
    }
    message, hint = sentences.get(status_of(error), ("", ""))
    return PublishError(message, hint=hint) if message else client.explain(error)


def _follow(client: Client, job: JobInfo, ask: Callable[[str], bool] | None) -> deque[str]:
    """Says the log as it comes, until the job has ended; gives its last lines."""
    tail: deque[str] = deque(maxlen=_LAST_LINES)
    where: dict[str, Any] = {"job_id": job.id, "namespace": job.owner.name}
    later = f"follow it: hf jobs logs {job.id}   cancel it: hf jobs cancel {job.id}"
    try:
        try:
            for line in waiting("waiting for the job", client.api.fetch_job_logs(**where, follow=True)):
                tail.append(redact(line.rstrip(), client.token))
                say(tail[-1])
        except Exception as error:  # the log is lost, not the job
            say(f"The log broke off ({redact(str(error), client.token)}); waiting for the end. {later}")
        client.call("waiting for the job", lambda: client.api.wait_for_job(**where, poll_interval=_POLL_SECONDS))
    except KeyboardInterrupt:
        if ask is not None and ask(f"Cancel the job {job.id}?"):
            client.call("cancelling", lambda: client.api.cancel_job(**where))
            say(f"job {job.id} is cancelled")
        else:
            say(f"job {job.id} runs on, and costs until it ends; {later}")
        raise
    return tail


def _judge(
    client: Client, tail: deque[str], job: JobInfo, before: RepoState | None, machine: JobHardwareInfo
) -> JobRun:
    """A job went well when it says so and the adapter is there."""
    where: dict[str, Any] = {"job_id": job.id, "namespace": job.owner.name}
    info = client.call("asking how it ended", lambda: client.api.inspect_job(**where))
    stage = str(getattr(info.status.stage, "value", info.status.stage))
    last = f"Its last lines ({job.url}):\n    " + "\n    ".join(tail)
    if stage != "COMPLETED":
        why = f": {redact(info.status.message, client.token)}" if info.status.message else ""
        raise TrainingError(f"The job {job.id} ended as {stage}{why}.", hint=last)
    now = client.state()
    if now is None or "adapter_model.safetensors" not in now.files or (before and before.commit == now.commit):
        raise TrainingError(f"The job {job.id} ended well, but no new adapter stands at {client.repo_id}.", hint=last)
    seconds = info.durations.running_secs if info.durations else None
    if seconds is not None:
        say(f"ran {seconds} s, about ${seconds / 3600 * dollars_an_hour(machine):.2f}")
    return JobRun(job.id, job.url, client.repo_id, now.commit)
