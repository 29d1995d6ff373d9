"""The story told to Bedrock by boto3: converse, a stream, a tool, an error."""

import boto3
import tailrace_story as story


def tell() -> None:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=story.PROVIDER,
        aws_access_key_id=story.KEY,
        aws_secret_access_key=story.KEY,
    )
    tuned = {"inferenceConfig": {"temperature": story.TEMPERATURE, "maxTokens": story.MAX_TOKENS}}
    client.converse(**asked(story.QUESTION), **tuned)
    for _ in client.converse_stream(**asked(story.STREAM_QUESTION), **tuned)["stream"]:
        pass
    tool = {"name": "get_weather", "inputSchema": {"json": story.WEATHER_SCHEMA}}
    client.converse(**asked(story.TOOL_QUESTION), toolConfig={"tools": [{"toolSpec": tool}]})
    story.refused(client.converse, **asked(story.FAILING_QUESTION))


def asked(question: str) -> dict:
    messages = [{"role": "user", "content": [{"text": question}]}]
    return {"modelId": story.BEDROCK_CLAUDE, "system": [{"text": story.SYSTEM}], "messages": messages}
