"""The OpenAI SDK through Langfuse's drop-in client."""

import tailrace_story as story
from langfuse import get_client, propagate_attributes
from langfuse.openai import OpenAI
from tailrace_openai import tell

langfuse = get_client()
with (
    langfuse.start_as_current_observation(as_type="span", name="story"),
    propagate_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS),
):
    tell(OpenAI(base_url=story.OPENAI_URL, api_key=story.KEY))
langfuse.flush()
