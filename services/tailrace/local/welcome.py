"""What a person sees when the stack is up: the address, the keys and five lines to try it."""

from tailrace.local.keys import Keys

_snippet = """\
from langfuse import Langfuse
langfuse = Langfuse(public_key="{public}", secret_key="{secret}", base_url="{url}")
with langfuse.start_as_current_observation(as_type="generation", name="hello", model="gpt-4o-mini") as generation:
    generation.update(input="hi", output="hello", usage_details={{"input": 12, "output": 3}})
langfuse.flush()"""


def welcome(keys: Keys, url: str, grpc_url: str | None = None) -> str:
    """Addresses, keys and a snippet for the Python SDK."""
    snippet = _snippet.format(public=keys.public_key, secret=keys.secret_key, url=url)
    lines = [
        "",
        f"URL         {url}",
        *([f"OTLP/gRPC   {grpc_url}"] if grpc_url else []),
        f"public key  {keys.public_key}",
        f"secret key  {keys.secret_key}",
        "",
        *(f"    {line}" for line in snippet.splitlines()),
        "",
    ]
    return "\n".join(lines)
