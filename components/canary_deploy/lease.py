"""The right to act on a service, held by one process at a time."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from adsmu.canary_deploy.records import Record
from adsmu.errors import Conflict, Refused


class LeaseLost(Exception):
    """Another process holds the lease; nothing more may be done."""


class Lease:
    """A lease that is renewed as it is used.

    Whether a lease is over is told by this process's own monotonic clock: it has seen the record unchanged
    for the lease's whole duration. Clocks of other machines, and a clock set back, so do not matter (the way
    of the leader election of client-go). A process that was held up may act once more before it sees that the
    lease went to another; every act is one that sets a state, and the new holder sets its own again.

    Args:
        record: Where the lease is written.
        holder: A name that no other process has.
        seconds: How long it lasts without being renewed.
        clock: A monotonic clock.
    """

    def __init__(
        self, record: Record, holder: str, seconds: float = 15.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.record, self.holder, self.seconds, self.clock = record, holder, seconds, clock
        self._version: str | None = None
        self._alone = threading.RLock()
        self._renewed = -float("inf")
        self._seen: tuple[str, float] = ("", -float("inf"))

    def acquire(self) -> bool:
        """Takes the lease if nobody holds it; to be called again until it does.

        Returns:
            Whether it is held now.
        """
        value, version = self.record.read()
        now = self.clock()
        if version != self._seen[0]:
            self._seen = (version, now)
        held = value is not None and value.get("holder") not in ("", self.holder)
        if held and now - self._seen[1] < float(value.get("seconds") or self.seconds):  # type: ignore[union-attr]
            return False
        try:
            self._write(version, int((value or {}).get("transitions", 0)) + 1)
        except Conflict:
            return False
        return True

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Takes the lease, as soon as one that nobody renews is over.

        Args:
            sleep: Waits.

        Raises:
            LeaseLost: Somebody renews it.
        """
        waited = 0.0
        while not self.acquire():
            if waited > 2 * self.seconds:
                raise LeaseLost("another process is at work on this service")
            sleep(self.seconds / 5)
            waited += self.seconds / 5

    @contextlib.contextmanager
    def held(self, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
        """Holds the lease for a block; if it is held already, it stays so behind the block.

        Args:
            sleep: Waits.

        Raises:
            LeaseLost: Somebody else holds it.
        """
        mine = self._version is None
        if mine:
            self.wait(sleep)
        try:
            yield
        finally:
            if mine:
                self.release()

    @contextlib.contextmanager
    def renewed(self) -> Iterator[None]:
        """Renews the lease from a thread for a block, in which something may take long."""
        over = threading.Event()

        def renew() -> None:
            with contextlib.suppress(LeaseLost):  # whoever acts next is told
                while not over.wait(self.seconds / 6):
                    with contextlib.suppress(Refused):  # the cluster does not answer: later, then
                        self.require()

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def require(self) -> None:
        """Renews the lease when a third of it is over.

        Raises:
            LeaseLost: Another process took it meanwhile, or it was never taken.
        """
        with self._alone:
            if self._version is None:
                raise LeaseLost("the lease is not held")
            if self.clock() - self._renewed < self.seconds / 3:
                return
            value, _ = self.record.read()
            try:
                self._write(self._version, int((value or {}).get("transitions", 0)))
            except Conflict as error:
                self._version = None
                raise LeaseLost(f"the lease went to {(value or {}).get('holder') or 'another'}") from error

    def release(self) -> None:
        """Gives the lease back, if it is still held, so that another need not wait."""
        if self._version is None:
            return
        value, _ = self.record.read()
        with contextlib.suppress(Conflict):  # it went to another already
            self.record.write((value or {}) | {"holder": ""}, self._version)
        self._version = None

    def _write(self, version: str, transitions: int) -> None:
        value = {
            "holder": self.holder,
            "seconds": self.seconds,
            "renewed": time.time(),
            "transitions": transitions,
        }
        self._version = self.record.write(value, version)
        self._renewed = self.clock()
