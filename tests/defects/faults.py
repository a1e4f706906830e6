"""What a defective worker goes through on a real Kafka, so that the defect shows. Each takes a Round to the moment when all that
is left is to wait for its end; a sound worker comes out of each of them with nothing to say against it."""

import time

from kafka import KafkaProducer

from kafka_proxy import END_TXN, SWALLOW


def nothing(r):
    """Two workers share a load; one joins late, and there is more to do after that."""
    r.put()
    r.victim.start()
    r.records()
    r.witness.wait_for_log("source.assigned")
    r.put()


def killed_after_commit(r):
    """Results above a slow record are committed; then kill -9."""
    r.kill_at("done")


def killed_when_delivered(r):
    r.kill_at("delivered", 2)


def killed_before_commit(r):
    """Records are produced and offsets sent, and the transaction is open."""
    r.kill_at("before_commit", 2)


def stopped_in_a_transaction(r):
    """A zombie: its session ends while it has produced and not sent offsets; then it goes on."""
    r.stop_at("delivered")


def usurped_before_commit(r):
    """Somebody with its transactional id aborts its open transaction: a commit without effect."""
    r.reach("before_commit", "stop@1")
    r.usurp()
    r.victim.go_on()


def usurped_after_commit(r):
    """The commit takes effect, the answer is lost, and asking again is fenced: a commit with effect, told as a failure."""
    r.put()
    rule = r.scene.broker.proxy.on(END_TXN, r.identity.encode(), SWALLOW)
    r.victim.start()
    assert rule.met.wait(30), "no transaction was ended"
    r.usurp()
    rule.go_on.set()
    r.records()


def refused_rewards(r):
    """The output topic takes no reward any more: batches abort."""
    r.put()
    r.victim.start()
    r.smaller_rewards()


def gaps(r):
    """The input is written in transactions, of which some are aborted: markers and what no reader may see take up offsets."""
    producer = KafkaProducer(bootstrap_servers=r.scene.broker.bootstrap, transactional_id=f"{r.scene.group}-writer")
    producer.init_transactions()
    r.victim.start()
    r.witness.start()
    for commits in (True, False, True, False, True):
        before, batch = r.written, r.batch(32)
        producer.begin_transaction()
        for partition, key, value, _ in batch:
            producer.send(r.scene.input, value, key=key, partition=partition)
        producer.flush()
        if commits:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
            r.written = before
    producer.close()
    r.put()  # plain: nothing comes after the last record, so that the end is what can be committed


def handed_over(r):
    """The other joins while records hang at the grader that do not finish within the drain."""
    r.scene.grader.delay(0.05)
    r.put()
    r.victim.start()
    r.victim.wait_for_log("source.assigned")
    time.sleep(0.3)
    r.put()
    r.witness.start()
    r.witness.wait_for_log("source.assigned")
    r.put()


def late_commit(r):
    """A commit is held up on its way and sent again; the first arrives when the next transaction has produced, which then dies."""
    r.stray_commit_at("delivered")
    r.victim.end()
    r.victim.start()
    r.witness.start()
