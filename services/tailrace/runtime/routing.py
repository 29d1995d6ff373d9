"""How ids stand in paths: `{id:id}` in a route is any text, also one with slashes or line ends."""

from starlette.convertors import Convertor, register_url_convertor


class _IdConvertor(Convertor[str]):
    """An id in a path, also one that holds line ends."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def register_ids() -> None:
    """Let routes say `{id:id}`; again changes nothing."""
    register_url_convertor("id", _IdConvertor())
