"""Channels that calls without a result hold, of several accounts: listing and freeing them, for commands and screens."""

from collections.abc import Iterator, Sequence

from ..store import holds
from ..store.channels import PAGE, HeldChannel, held_channels, release
from ..store.client import Store
from ..wakeup import Waker


def accounts_with_channels(store: Store) -> list[str]:
    """The accounts of the settings and those that the store knows, sorted."""
    return sorted({*store.settings.account_names, *store.call(holds.accounts)})


def held_of(store: Store, accounts: Sequence[str]) -> Iterator[HeldChannel]:
    """Yields the channels of these accounts that calls without a result hold. Raises StoreUnavailable."""
    for account in accounts:
        after = ""
        while True:
            channels, after = store.run_steps(held_channels, account, after)
            yield from channels
            if not after:
                break


def release_held(store: Store, waker: Waker, channels: Sequence[HeldChannel]) -> list[HeldChannel]:
    """Frees channels and wakes the workers of their accounts. Returns those that were still held without a result."""
    released: list[HeldChannel] = []
    for start in range(0, len(channels), PAGE):
        page = channels[start : start + PAGE]
        answers = store.run(release([channel.record for channel in page]))
        released += [channel for channel, answer in zip(page, answers, strict=True) if answer == "released"]
    waker.submit(sorted({channel.account for channel in released}))
    return released
