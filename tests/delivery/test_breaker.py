from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Sender
from delivery import breaker
from delivery.models import Circuit
from tests.factories import SenderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def sender(db: None) -> Sender:
    return SenderFactory()


def time_is_over() -> None:
    Circuit.objects.update(retry_at=timezone.now() - timedelta(seconds=1))


def seconds_left() -> float:
    return (Circuit.objects.get().retry_at - timezone.now()).total_seconds()


def test_each_failure_in_a_row_doubles_the_rest_up_to_half_a_minute() -> None:
    assert [breaker.open_for(failures) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_providers_own_word_is_kept_when_it_is_longer_and_bounded() -> None:
    assert breaker.open_for(1, retry_after=90) == 90
    assert breaker.open_for(6, retry_after=5) == 30
    assert breaker.open_for(1, retry_after=10**9) == 24 * 3600


def test_failure_opens_the_circuit_with_its_words(sender: Sender) -> None:
    breaker.failed(sender, "421 closing")
    circuit = Circuit.objects.get()
    assert (circuit.failures, circuit.error) == (1, "421 closing")
    assert seconds_left() > 0


def test_failures_of_several_workers_at_once_count_as_one(sender: Sender) -> None:
    for _ in range(8):
        breaker.failed(sender, "refused")
    assert Circuit.objects.get().failures == 1


def test_the_longest_wait_that_any_worker_was_asked_for_stands(sender: Sender) -> None:
    breaker.failed(sender, "429", retry_after=600)
    breaker.failed(sender, "refused")
    assert seconds_left() > 590


def test_failures_one_after_another_add_up(sender: Sender) -> None:
    for failures in (1, 2, 3):
        breaker.failed(sender, "refused")
        assert Circuit.objects.get().failures == failures
        time_is_over()


def test_one_worker_probes(sender: Sender) -> None:
    breaker.failed(sender, "refused")
    assert not breaker.may_probe(sender)
    time_is_over()
    assert [breaker.may_probe(sender) for _ in range(3)] == [True, False, False]


def test_probe_that_fails_opens_the_circuit_for_longer(sender: Sender) -> None:
    breaker.failed(sender, "refused")
    time_is_over()
    assert breaker.may_probe(sender)
    breaker.failed(sender, "refused", probe=True)
    assert Circuit.objects.get().failures == 2
    assert seconds_left() < breaker.PROBE_SECONDS / 2


def test_probe_that_is_never_answered_lets_another_worker_try(sender: Sender) -> None:
    breaker.failed(sender, "refused")
    time_is_over()
    assert breaker.may_probe(sender)
    time_is_over()
    assert breaker.may_probe(sender)


def test_recovery_closes_the_circuit_and_may_be_repeated(sender: Sender) -> None:
    breaker.failed(sender, "refused")
    breaker.recovered(sender)
    breaker.recovered(sender)
    assert not Circuit.objects.exists()
    breaker.failed(sender, "refused")
    assert Circuit.objects.get().failures == 1
