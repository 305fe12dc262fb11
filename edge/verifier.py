"""The child that judges one signature; see `edge.verifying`.

Whatever it is given, it ends with an Answer or without one, and without one nothing runs.
"""

import os
import resource
import sys

from edge.trust.encoding import decode_struct, encode_struct
from edge.trust.errors import MalformedError, Reason, Refused, RootError
from edge.trust.judge import Asked, first_root, judge, next_root
from edge.trust.root import Root
from edge.verdict import QUESTION_LIMIT, Answer, Question

ADDRESS_SPACE = 512 << 20
"""Bytes the child may map: many times what its libraries take, nothing that hurts a board."""
CPU_SECONDS = 60
"""Judging takes milliseconds, starting Python on a slow board seconds."""
MESSAGE_LIMIT = 1000
"""Characters of an explanation; a status carries as many."""


def answer(question: Question) -> Answer:
    """Prove the roots one after the other, then judge under the last. Pure."""
    try:
        held = first_root(question.root)
    except (RootError, MalformedError) as error:
        message = f"this node's own root of trust is not in order: {error}; give it another"
        return Answer(accepted_roots=0, reason=Reason.NO_ROOT, message=message[:MESSAGE_LIMIT])
    root, proven, problem = _newest(held, question.newer)
    asked = Asked(
        kind=question.kind,
        name=question.name,
        digest=question.digest,
        size=question.size,
        version=question.version,
        capabilities=tuple(question.capabilities),
        files=question.files,
    )
    try:
        manifest = judge(root, question.signature, asked, question.now)
    except Refused as refused:
        return Answer(
            accepted_roots=proven,
            root_problem=problem,
            reason=refused.reason,
            message=refused.message[:MESSAGE_LIMIT],
        )
    return Answer(accepted_roots=proven, root_problem=problem, manifest=manifest)


def _newest(root: Root, newer: list[bytes]) -> tuple[Root, int, str]:
    for proven, data in enumerate(newer):
        try:
            root = next_root(root, data)
        except (RootError, MalformedError) as error:
            return root, proven, str(error)[:MESSAGE_LIMIT]
    return root, len(newer), ""


def main() -> None:
    """Answer the question on standard input."""
    for what, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    # Apps that run must not notice.
    os.nice(10)
    data = sys.stdin.buffer.read(QUESTION_LIMIT + 1)
    if not data:
        return  # it waited for a question, and the agent went
    question = decode_struct(data, Question, "question", QUESTION_LIMIT)
    sys.stdout.buffer.write(encode_struct(answer(question)))
    sys.stdout.buffer.flush()
