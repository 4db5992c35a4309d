"""Scripted models of known behaviour, used by name: ``scripted:tests.runs.scripts:half``."""

from __future__ import annotations

import asyncio
import random
import re
from itertools import count

from akrasia.core import CallRefused, EndpointLost, EndpointMisuse, QuotaExhausted, Reply, Request, Usage
from akrasia.prompts import prompt

calls = count()


def half(request: Request, sample: int) -> str:
    """Right at even samples, wrong at odd ones."""
    number = int(re.findall(r"(\d+) \+", request.messages[0].content)[0])
    return f"#### {2 * number + sample % 2}"


async def slow_half(request: Request, sample: int) -> str:
    await asyncio.sleep(0.4)
    return half(request, sample)


def refuses_three(request: Request, sample: int) -> str:
    if "What is 3 +" in request.messages[0].content and sample == 1:
        raise CallRefused("400: this content is not served")
    return half(request, sample)


def leaves(request: Request, sample: int) -> str:
    """Of the samples of item 3 one exits, one interrupts itself, and one is text that cannot be written down."""
    if "What is 3 +" in request.messages[0].content and sample:
        if sample == 3:
            return "#### 6 \ud800"
        raise SystemExit(3) if sample == 1 else KeyboardInterrupt
    return half(request, sample)


def lost_at_five(request: Request, sample: int) -> str:
    if "What is 5 +" in request.messages[0].content:
        raise EndpointLost("no answer after 6 tries")
    return half(request, sample)


def no_quota(request: Request, sample: int) -> str:
    raise QuotaExhausted("the quota is spent")


def wrong_key(request: Request, sample: int) -> str:
    raise EndpointMisuse("401: set AKRASIA_API_KEY")


def with_usage(request: Request, sample: int) -> Reply:
    return Reply(half(request, sample), usage=Usage(10, 5))


def thoughtful(request: Request, sample: int) -> str:
    """Reasons when asked to, and acts on the reasoning that it is shown."""
    if request.messages[-1].content.endswith(prompt("slow-reason.v1")):
        return f"sample {sample} thinks"
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert request.messages[1].content == f"sample {sample} thinks"
    return half(request, sample)


def thoughtful_or_half(request: Request, sample: int) -> str:
    reasons = request.messages[-1].content.endswith((prompt("slow-reason.v1"), prompt("slow-act.v1")))
    return thoughtful(request, sample) if reasons else half(request, sample)


def spread(request: Request, sample: int) -> str:
    """Right with a probability that differs between items, drawn from the request's own seed."""
    number = int(re.findall(r"(\d+) \+", request.messages[0].content)[0])
    own = random.Random(f"{request.seed}")
    right = own.random() < ((number * 7919) % 97) / 97
    return f"#### {2 * number + (not right)}"


def judge(request: Request) -> str:
    """Prefers the answer that holds the word "kind", wherever it is shown; with both or neither, what stands first."""
    first, second = re.findall(r"<answer_[ab]>(.*?)</answer_[ab]>", request.messages[-1].content, re.DOTALL)[-2:]
    return "Because. [[B]]" if "kind" in second and "kind" not in first else "Because. [[A]]"


def mute_judge(request: Request) -> str:
    return "I would rather not say."


def adviser(request: Request, sample: int) -> str:
    return ["a kind word", "a word", "plain", "kind and plain"][sample % 4]


def refuses_most_of_three(request: Request, sample: int) -> str:
    if "What is 3 +" in request.messages[0].content and sample > 0:
        raise CallRefused("400: this content is not served")
    return half(request, sample)


def refuses_all_but_two(request: Request, sample: int) -> str:
    if sample > 1:
        raise CallRefused("400: this content is not served")
    return half(request, sample)


def refuses_all_but_the_first(request: Request, sample: int) -> str:
    if "What is 0 +" not in request.messages[0].content or sample:
        raise RuntimeError("no GPU here")
    return half(request, sample)


def refuses_all_draws(request: Request, sample: int) -> str:
    if request.temperature:
        raise CallRefused("400: this content is not served")
    return half(request, 0)


def refuses_all_greedy(request: Request, sample: int) -> str:
    if not request.temperature:
        raise ValueError("the temperature must be 1")
    return half(request, sample)


def refuses_all_content(request: Request, sample: int) -> str:
    raise CallRefused("400: refused by our content policy")


def refuses_all_in_two_ways(request: Request, sample: int) -> str:
    raise RuntimeError("no GPU here" if sample else "no memory here")


BROKEN = {"now": True, "calls": 0}
"""Whether `broken` only raises, and how often it was asked."""


def broken(request: Request, sample: int) -> str:
    BROKEN["calls"] += 1
    if BROKEN["now"]:
        raise RuntimeError("no GPU here")
    return half(request, sample)


async def slow_with_usage(request: Request, sample: int) -> Reply:
    await asyncio.sleep(0.005)
    return with_usage(request, sample)


def priced_adviser(request: Request, sample: int) -> Reply:
    return Reply("a kind word", usage=Usage(10, 5))


def priced_judge(request: Request) -> Reply:
    return Reply(judge(request), usage=Usage(20, 3))


SICK = {"now": True}
"""Whether `sick` and `sick_judge` fail: a fault that goes away."""


def sick(request: Request, sample: int) -> Reply:
    """Refuses one candidate in four while the fault lasts."""
    if SICK["now"] and sample == 1:
        raise CallRefused("400: overloaded in its own way")
    return with_usage(request, sample)


def sick_judge(request: Request) -> Reply:
    if SICK["now"] and "kind and plain" in request.messages[-1].content:
        return Reply("I would rather not say.", usage=Usage(20, 3))
    return priced_judge(request)


def spread_with_losses(request: Request, sample: int) -> str:
    """As `spread`, but every fifth sample is refused, every seventh says nothing, and item 3 is never answered."""
    if sample % 5 == 2 or "What is 3 +" in request.messages[0].content:
        raise CallRefused("400: this content is not served")
    return "I do not know" if sample % 7 == 3 else spread(request, sample)


FORMS = (r"\boxed{x^2+2x+1}", r"\boxed{\sqrt{8}}", r"\boxed{(x+1)^2}", r"\boxed{2\sqrt{2}}", r"\boxed{2^{3/2}}")
"""Two answers, the first twice and the second three times, each time in another form."""


def forms(request: Request, sample: int) -> str:
    return FORMS[sample]
