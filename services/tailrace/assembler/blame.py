"""What a partition's owner remembers of records that failed: one that fails again is a dead letter. It outlives the epochs that the failures end."""

from collections.abc import Mapping

from tailrace.assembler.batch import FoldFailedError
from tailrace.assembler.encoding import TooLargeError
from tailrace.assembler.letters import Doom


class Blame:
    """The records of one partition that failed and are not applied yet."""

    def __init__(self) -> None:
        self._failed_once: set[int] = set()
        self._doomed: dict[int, Doom] = {}

    @property
    def doomed(self) -> Mapping[int, Doom]:
        """Why records are dead letters before they are read, by offset."""
        return self._doomed

    def note_failure(self, error: FoldFailedError) -> None:
        """A fold starts over from the stored state once; what fails again is a dead letter. Raises what fails even as that."""
        offset = error.offset
        if offset in self._doomed:
            raise error
        if offset in self._failed_once:
            cause = type(error.__cause__).__name__
            self._doomed[offset] = Doom("internal_error", f"folding it failed unexpectedly, twice: {cause}")
        self._failed_once.add(offset)

    def note_too_large(self, error: TooLargeError) -> None:
        """A dead letter that is too large as well goes without its bytes: the raw log has them."""
        again = error.offset in self._doomed
        detail = f"{error}; its bytes are in the raw log only" if again else str(error)
        self._doomed[error.offset] = Doom("observation_too_large", detail, keep_bytes=not again)

    def settle(self, applied_origin: int) -> None:
        """What is applied need not be remembered."""
        self._failed_once = {offset for offset in self._failed_once if offset > applied_origin}
        self._doomed = {offset: doom for offset, doom in self._doomed.items() if offset > applied_origin}
