"""A training on a machine of the Hub: a Hugging Face Job.

A file a noun: `spec` (what the job is given), `preflight` (what would make it fail), `run` (starts, follows and judges
it).
"""

from amazon_titles.jobs.run import train_on_jobs
from amazon_titles.jobs.spec import TRL_PINS, make_job_spec

__all__ = ["TRL_PINS", "make_job_spec", "train_on_jobs"]
