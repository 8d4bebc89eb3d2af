from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages.browser import started


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with started() as browser:
        yield browser
