"""Names without a namespace, which applications write by hand: `model`, `model_config`, `input`, `output`.

Source: the conventions of the Langfuse server for spans of any origin.
"""

from typing import Final

CONVENTION: Final = "Plain names"

MODEL: Final = "model"
PARAMETERS: Final = "model_config"
BODIES: Final = ("input", "output")
