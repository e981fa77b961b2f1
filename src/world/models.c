/*
 * What models can take: one table for all that is generated.  Only the model
 * that an agent is given is told to it, so a limit never lands on another.
 */
#include "files-int.h"

#include <string.h>

#define K	1000

static const struct model models[] = {
	{ "gpt-5.4", 1050 * K, 128 * K, true },
	{ "gpt-5.3-codex", 400 * K, 128 * K, true },
	{ "gpt-5-mini", 400 * K, 128 * K, true },
	{ "gpt-5-nano", 400 * K, 128 * K, true },
	{ "claude-opus-4-6", 1000 * K, 128 * K, true },
	{ "claude-sonnet-4-6", 1000 * K, 64 * K, true },
	{ "claude-haiku-4-5", 200 * K, 64 * K, true },
	{ "qwen3.6-plus", 200 * K, 64 * K, true },
	{ "qwen3.5-plus", 200 * K, 64 * K, true },
	{ "deepseek-chat", 256 * K, 128 * K, false },
	{ "deepseek-reasoner", 256 * K, 128 * K, false },
	{ "kimi-k2.5", 256 * K, 128 * K, true },
	{ "glm-5", 200 * K, 128 * K, false },
	{ "MiniMax-M2.7", 200 * K, 128 * K, false },
	{ "MiniMax-M2.7-highspeed", 200 * K, 128 * K, false },
	{ "MiniMax-M2.5", 200 * K, 128 * K, false },
};

struct model
model_limits(const char *id)
{
	size_t i;

	for (i = 0; i < NELEM(models); i++)
		if (strcmp(models[i].id, id) == 0)
			return models[i];
	return (struct model){ id, 150 * K, 128 * K, false };
}
