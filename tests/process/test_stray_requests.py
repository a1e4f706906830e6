"""A commit that is held up in the network, and that the client has sent again meanwhile, arrives in the middle of a later transaction.

Brokers take it for that one's (our client does not speak KIP-890), and make visible what is half done: a crash then, and it is
published again. So no transaction may begin with a producer whose connection broke within the last."""

import pytest

from rounds import Round

CASES = [(point, then, n) for point in ("after_begin", "after_produce", "delivered", "before_commit")
         for then, times in (("killed", 4), ("goes-on", 1)) for n in range(times)]


def play(scene, point, then, _):
    r = Round(scene, proxied=True, producer={"socket.timeout.ms": "1000"})
    r.stray_commit_at(point)
    if then == "killed":
        r.victim.end()
        r.victim.start()
    else:
        r.victim.go_on()
    r.witness.start()
    r.finish()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("case", CASES, ids=lambda c: "{}-{}-{}".format(*c))
def test_a_late_commit_does_no_harm(case, outcomes):
    if outcomes[case] is not None:
        raise outcomes[case]
