"""Fixtures of the edge's tests."""

from collections.abc import AsyncGenerator

import pytest

from tests.edge.fakes import EdgeUnderTest


@pytest.fixture
async def edge() -> AsyncGenerator[EdgeUnderTest]:
    under_test = EdgeUnderTest()
    async with under_test.client:
        yield under_test
