"""The story told by Google's GenAI client: content, a stream, a tool, an error."""

import tailrace_story as story
from google.genai import Client
from google.genai.types import FunctionDeclaration, GenerateContentConfig, HttpOptions, Tool


def tell() -> None:
    client = Client(api_key=story.KEY, http_options=HttpOptions(base_url=story.PROVIDER))
    settings = {"system_instruction": story.SYSTEM}
    tuned = GenerateContentConfig(temperature=story.TEMPERATURE, max_output_tokens=story.MAX_TOKENS, **settings)
    client.models.generate_content(model=story.GEMINI, contents=story.QUESTION, config=tuned)
    plain = GenerateContentConfig(**settings)
    for _ in client.models.generate_content_stream(model=story.GEMINI, contents=story.STREAM_QUESTION, config=plain):
        pass
    declared = FunctionDeclaration(
        name="get_weather", description="The weather of a city.", parameters_json_schema=story.WEATHER_SCHEMA
    )
    with_tool = GenerateContentConfig(tools=[Tool(function_declarations=[declared])], **settings)
    client.models.generate_content(model=story.GEMINI, contents=story.TOOL_QUESTION, config=with_tool)
    story.refused(client.models.generate_content, model=story.GEMINI, contents=story.FAILING_QUESTION, config=plain)
