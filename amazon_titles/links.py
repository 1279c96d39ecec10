"""What an address shows to somebody who has no account there."""

from __future__ import annotations

import re
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PRIVATE = (401, 404, 410)
"""What sites answer to who may not see a page: GitHub says that there is none, the Hub asks for a login."""

_READ_BYTES, _PATIENCE_SECONDS = 4 << 20, 10
# Where GitLab, Bitbucket and Google send somebody whom they do not know.
_LOGIN = re.compile(r"https?://[^?]*/(?:login|log_in|signin|sign_in|servicelogin)\b", re.IGNORECASE)
# How schema.org's VideoObject has a page tell the length: ISO 8601, as in PT1H2M3S.
_DURATION = re.compile(
    r'(?:itemprop="duration" content=|"duration":\s*)"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?"'
)


def look(address: str) -> tuple[int, str]:
    """Status and text of a page; 401 where it leads to a login, 0 where nobody answers.

    Args:
        address: Of the web; it is asked for once, without a token.
    """
    try:
        request = Request(address, headers={"User-Agent": "Mozilla/5.0 (compatible; amazon-titles)"})
        with urlopen(request, timeout=_PATIENCE_SECONDS) as answer:
            if answer.url != address and _LOGIN.match(answer.url):
                return 401, ""
            return answer.status, answer.read(_READ_BYTES).decode("utf-8", "replace")
    except HTTPError as error:
        return error.code, ""
    except (OSError, ValueError):  # no network, no such host, or an answer that is no HTTP
        return 0, ""


def video_seconds(page: str) -> int | None:
    """How long the video of a page is, as the page says; None where it does not."""
    if (told := _DURATION.search(page)) is None:
        return None
    hours, minutes, seconds = (int(number or 0) for number in told.groups())
    return 3600 * hours + 60 * minutes + seconds
