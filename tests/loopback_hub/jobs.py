"""The routes under /api/jobs: machines with prices, jobs that go through stages, their logs as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.loopback_hub.state import HubError
from tests.loopback_hub.web import Answer, Request

DATE = "2026-01-01T00:00:00.000Z"


def _hardware(name: str, pretty: str, dollars_an_hour: float, model: str | None, number: int = 1) -> dict[str, Any]:
    gpu = {"type": "gpu", "model": model, "quantity": str(number), "vram": "24 GB", "manufacturer": "Nvidia"}
    return {
        "name": name, "prettyName": pretty, "cpu": "8 vCPU", "ram": "30 GB", "ephemeralStorage": "50 GB",
        "accelerator": gpu if model else None, "unitCostMicroUSD": round(dollars_an_hour * 1e6 / 60),
        "unitCostUSD": dollars_an_hour / 60, "unitLabel": "minute",
    }  # fmt: skip


HARDWARE = [
    _hardware("cpu-upgrade", "CPU Upgrade", 0.03, None),
    _hardware("t4-small", "Nvidia T4 - small", 0.40, "T4"),
    _hardware("l4x1", "1x Nvidia L4", 0.80, "L4"),
]


@dataclass(slots=True)
class Job:
    """One job: what was sent, and how far it is. The log grows by a line, and the stage moves, at each look."""

    id: str
    owner: str
    sent: dict[str, Any]
    lines: list[str]
    ends: str
    message: str | None
    shown: int = 0
    cancelled: bool = False

    @property
    def stage(self) -> str:
        if self.cancelled:
            return "CANCELED"
        return self.ends if self.shown >= len(self.lines) else "RUNNING"

    def to_dict(self) -> dict[str, Any]:
        names = ("command", "arguments", "environment", "flavor", "labels", "dockerImage", "spaceId")
        return {
            **{name: self.sent.get(name) for name in names},
            "id": self.id, "createdAt": DATE, "startedAt": DATE,
            "owner": {"id": "1", "name": self.owner, "type": "user"},
            "secrets": dict.fromkeys(self.sent.get("secrets") or {}),
            "status": {"stage": self.stage, "message": self.message if self.stage == self.ends else None},
            "durations": {"schedulingSecs": 3, "runningSecs": 90, "totalSecs": 93},
        }  # fmt: skip


@dataclass(slots=True)
class Jobs:
    """Every job of a Hub, and what the next ones do: their log, how they end, and what happens when they start."""

    made: list[Job] = field(default_factory=list)
    lines: list[str] = field(default_factory=lambda: ["Installing", "Training"])
    ends: str = "COMPLETED"
    message: str | None = None
    on_start: Callable[[dict[str, Any]], None] = lambda sent: None


def hardware(request: Request) -> Answer:
    return Answer(HARDWARE)


def run(request: Request, namespace: str) -> Answer:
    request.state.may_write(namespace, request.account)
    jobs, sent = request.state.jobs, request.json()
    if sent["flavor"] not in [item["name"] for item in HARDWARE]:
        raise HubError(400, f"No such flavor: {sent['flavor']}")
    jobs.on_start(sent)
    job = Job(f"job{len(jobs.made):021x}", namespace, sent, list(jobs.lines), jobs.ends, jobs.message)
    jobs.made.append(job)
    return Answer(job.to_dict())


def _find(request: Request, job_id: str) -> Job:
    found = next((job for job in request.state.jobs.made if job.id == job_id), None)
    if found is None or request.account is None or not request.account.owns(found.owner):
        raise HubError(404, "Job not found")
    return found


def inspect(request: Request, namespace: str, job_id: str) -> Answer:
    return Answer(_find(request, job_id).to_dict())


def cancel(request: Request, namespace: str, job_id: str) -> Answer:
    _find(request, job_id).cancelled = True
    return Answer({})


def logs(request: Request, namespace: str, job_id: str) -> Answer:
    job = _find(request, job_id)
    job.shown = min(job.shown + 1, len(job.lines))
    events = ["===== Job started at 2026-01-01 =====", *job.lines[: job.shown]]
    texts = [f"data: {json.dumps({'data': line, 'timestamp': DATE})}\n\n" for line in events]
    content = (": keep-alive\n\n" + "".join(texts)).encode()
    return Answer(content=content, headers={"Content-Type": "text/event-stream"})


def auth_check(request: Request, kind: str, repo_id: str) -> Answer:
    request.state.contents(kind, repo_id, request.account)
    return Answer({})


_JOB = r"/api/jobs/(?P<namespace>[^/]+)/(?P<job_id>[^/]+)"
ROUTES = (
    ("GET", r"/api/jobs/hardware", hardware),
    ("POST", r"/api/jobs/(?P<namespace>[^/]+)", run),
    ("GET", _JOB, inspect),
    ("GET", _JOB + "/logs", logs),
    ("POST", _JOB + "/cancel", cancel),
    ("GET", r"/api/(?P<kind>models|datasets|spaces)/(?P<repo_id>[^/]+/[^/]+)/auth-check", auth_check),
)
