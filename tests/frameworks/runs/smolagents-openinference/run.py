"""smolagents under OpenInference: an agent with a tool, and a model alone."""

import tailrace_story as story
from openinference.instrumentation import using_attributes
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from smolagents import ChatMessage, OpenAIServerModel, ToolCallingAgent, tool
from smolagents.agents import EMPTY_PROMPT_TEMPLATES

provider = story.tracer_provider()
SmolagentsInstrumentor().instrument(tracer_provider=provider)
settings = {"api_base": story.OPENAI_URL, "api_key": story.KEY}
model = OpenAIServerModel(story.MODEL, temperature=story.TEMPERATURE, max_tokens=story.MAX_TOKENS, **settings)
reasoning = OpenAIServerModel(story.REASONING_MODEL, **settings)


def messages(question):
    return [ChatMessage(role="user", content=[{"type": "text", "text": question}])]


with using_attributes(user_id=story.USER, session_id=story.SESSION, tags=story.TAGS):
    model.generate(messages(story.QUESTION))
    for _ in reasoning.generate_stream(messages(story.STREAM_QUESTION)):
        pass
    # Its own prompts are long, and sent with every step.
    prompts = {**EMPTY_PROMPT_TEMPLATES, "system_prompt": story.SYSTEM}
    agent = ToolCallingAgent(tools=[tool(story.get_weather)], model=model, prompt_templates=prompts, verbosity_level=0)
    agent.run(story.TOOL_QUESTION)
    story.refused(model.generate, messages(story.FAILING_QUESTION))
provider.shutdown()
