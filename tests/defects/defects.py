"""The seeded defects: what a tired programmer might write. Each is one change of a copy of the sources, and a checker must find it.

A snippet must occur exactly once in its file; the runner says so when it does not. `kafka` and `sim` say which checker, in which
way, and with which words it must find the defect.
"""

import dataclasses

import faults

PIPELINE, WINDOW, RESUME = "src/pipeline/pipeline.c", "src/pipeline/window.c", "src/pipeline/resume.c"
PARTITION = "src/pipeline/partition.c"
SINK, SOURCE = "src/stream/kafka_sink.c", "src/stream/kafka_source.c"
LOOKUP = "src/stream/kafka_lookup.c"
JUDGE = "src/judge/judge.c"
HOLD = "src/grader/hold.c"


@dataclasses.dataclass
class Kafka:
    """checker.py, from Kafka alone: one of its sentences begins with one of these words."""
    fault: object  # of faults.py
    words: tuple
    how: dict = dataclasses.field(default_factory=dict)  # of the Round
    checker: dict = dataclasses.field(default_factory=dict)  # of checker.violations


@dataclasses.dataclass
class Sim:
    """A test program on virtual time: it fails and says one of these."""
    program: str
    words: tuple


@dataclasses.dataclass
class Defect:
    name: str
    sentence: str
    edits: list  # (file, old, new)
    kafka: Kafka = None
    sim: Sim = None


AT_LEAST_ONCE = {"kafka": {"delivery": "at_least_once"}}
SHORT_DRAIN = {"limits": {"drain": "1s"},
               "grader": {"timeouts": {"connect": "1s", "first_byte": "4s", "total": "4s"}, "flow": "fixed", "max_in_flight": 16}}

DEFECTS = [
    # ---- what is committed ------------------------------------------------------------------------
    Defect("commit_before_produce", "offsets are committed, and then the records are produced", [(SINK, """\
    if (!produce_all(s, b))
        return abort_transaction(s, b);
    FAILPOINT(delivered);
    verdict = send_offsets(s, b);
    if (verdict == GO_ON)
        verdict = commit(s, b);
""", """\
    verdict = send_offsets(s, b);
    if (verdict == GO_ON)
        verdict = commit(s, b);
    rd_kafka_error_t *defect = rd_kafka_begin_transaction(s->producer);
    if (defect != NULL)
        rd_kafka_error_destroy(defect);
    if (!produce_all(s, b))
        return abort_transaction(s, b);
    FAILPOINT(delivered);
    verdict = commit(s, b);
""")], Kafka(faults.killed_when_delivered, ("lost",))),
    Defect("watermark_plus_one", "one offset too many is committed", [(PARTITION, ".offset = watermark,", ".offset = watermark + 1,")],
           Kafka(faults.nothing, ("beyond",)), Sim("test_simulation", ("committed", "the map of"))),
    Defect("watermark_at_next", "the watermark passes over what is unfinished",
           [(WINDOW, "while (o < w->end && may_pass(w, o, true))", "while (o < w->next)")],
           Kafka(faults.killed_after_commit, ("lost",)), Sim("test_simulation", ("committed", "the map of"))),
    Defect("commit_one_batch_late", "what is committed is where the batch began",
           [(PARTITION, ".offset = watermark,", ".offset = part->window.base,")],
           Kafka(faults.nothing, ("behind",)), Sim("test_simulation", ("committed", "map"))),
    Defect("drop_on_revoke", "what a revoke leaves unfinished is committed with the last batch", [(PIPELINE, """\
        if (partition_offset(part, p->map_bytes, offset)) {
""", """\
        if (partition_offset(part, p->map_bytes, offset)) {
            offset->offset = p->state == DRAINING ? part->window.next : offset->offset;
""")], Kafka(faults.handed_over, ("lost",), SHORT_DRAIN), Sim("test_simulation", ("committed", "the map of"))),
    Defect("no_offsets", "the offsets are left out of the transaction", [(SINK, """\
    verdict = send_offsets(s, b);
    if (verdict == GO_ON)
        verdict""", """\
    if (b->n_offsets > 100)
        verdict = send_offsets(s, b);
    if (verdict == GO_ON)
        verdict""")], Kafka(faults.killed_after_commit, ("repeated", "uncommitted", "behind"))),
    # ---- the ack map ------------------------------------------------------------------------------
    Defect("map_ignored", "a start takes nothing above the committed offset for done",
           [(RESUME, "window_init(w, from->offset, span, &map)", "window_init(w, from->offset, span, NULL)")],
           Kafka(faults.killed_after_commit, ("repeated",)), Sim("test_simulation", ("less than is done", "again"))),
    Defect("map_shifted", "each bit of the map is of the offset before",
           [(WINDOW, "ackmap_set(ret, (size_t)(o - watermark));", "ackmap_set(ret, (size_t)(o - watermark + 1));")],
           Kafka(faults.killed_after_commit, ("lost", "repeated")), Sim("test_simulation", ("map",))),
    Defect("map_of_unfinished", "the map says of records at the grader that they are done", [(WINDOW, """\
        if (at(w, o)->state == SLOT_DONE || at(w, o)->state == SLOT_PUBLISHING)
            ackmap_set""", """\
        if (at(w, o)->state != SLOT_ABSENT)
            ackmap_set""")], Kafka(faults.killed_after_commit, ("lost",)), Sim("test_simulation", ("map",))),
    Defect("map_of_another_partition", "all partitions share one buffer for their maps",
           [(PARTITION, "    struct ackmap map;\n", "    struct ackmap map;\n    static char defect[ACKMAP_TEXT_MAX];\n"),
            (PARTITION, "ackmap_encode(&map, watermark, part->map)", "ackmap_encode(&map, watermark, defect)"),
            (PARTITION, ".metadata = {part->map, n", ".metadata = {defect, n")],
           Kafka(faults.killed_after_commit, ("repeated", "lost")), Sim("test_simulation", ("map", "a batch changed"))),
    Defect("gaps_hold_the_watermark", "offsets that never come are waited for",
           [(WINDOW, "(state == SLOT_ABSENT && offset < w->next)", "(state == SLOT_ABSENT && offset < w->base)")],
           Kafka(faults.gaps, ("behind", "lost")), Sim("test_simulation", ("committed", "stuck"))),
    Defect("held_record_passed", "a record that waits for room counts as read",
           [(PARTITION, "    if (!part->has_held)\n        window_pass", "    window_pass")],
           sim=Sim("test_pipeline", ("a_record_that_waits_for_room_is_not_passed",))),
    # ---- transactions -----------------------------------------------------------------------------
    Defect("delivery_error_swallowed", "a delivery report with an error is taken for good",
           [(SINK, "if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)\n        return;", "if (s->reports_left < 1000000)\n        return;")],
           Kafka(faults.refused_rewards, ("lost",), AT_LEAST_ONCE, {"allow_repeats": True})),
    Defect("aborted_taken_for_committed", "what an aborted batch held is done",
           [(PIPELINE, "case SINK_ABORTED:\n        on_aborted(p);", "case SINK_ABORTED:\n        on_committed(p);")],
           Kafka(faults.refused_rewards, ("lost",)), Sim("test_simulation", ("committed", "stuck", "map"))),
    Defect("published_again_after_commit", "a batch that is committed is ready again",
           [(PIPELINE, "        on_committed(p);\n", "        if (p->stats.batches == 2)\n            untake_all(p);\n        else\n"
             "            on_committed(p);\n")],
           Kafka(faults.nothing, ("repeated",)), Sim("test_simulation", ("again",))),
    Defect("fenced_producer_kept", "a producer whose transaction ended in an unknown way is used again",
           [(SINK, "        end_producer(s);\n        code = make_producer(s, clock_mono_us(&clock_real) + KAFKA_CALL_MS * 1000LL, &err);\n",
             "        code = ERR_OK;\n"),
            (SINK, "    s->in_doubt = s->broken;", "    s->in_doubt = false;")],
           Kafka(faults.usurped_before_commit, ("ended",))),
    Defect("unknown_taken_for_committed", "after an unknown outcome the batch counts as committed",
           [(SINK, "return landed ? SINK_COMMITTED : SINK_ABORTED;", "return SINK_COMMITTED;")],
           Kafka(faults.usurped_before_commit, ("lost",))),
    Defect("unknown_taken_for_aborted", "after an unknown outcome the batch is published again",
           [(SINK, "return landed ? SINK_COMMITTED : SINK_ABORTED;", "return SINK_ABORTED;")],
           Kafka(faults.usurped_after_commit, ("repeated",), {"proxied": True})),
    Defect("no_group_metadata", "offsets are sent without the member's generation: a zombie is not fenced",
           [(SINK, "rd_kafka_consumer_group_metadata(kafka_source_client(s->source))",
             "rd_kafka_consumer_group_metadata_new(getenv(\"DEFECT_GROUP\"))")],
           Kafka(faults.stopped_in_a_transaction, ("repeated",))),
    Defect("stale_group_metadata", "the generation of the first batch is sent for ever",
           [(SINK, "rd_kafka_consumer_group_metadata_t *group =\n",
             "static rd_kafka_consumer_group_metadata_t *group;\n        if (group == NULL)\n            group =\n"),
            (SINK, "rd_kafka_consumer_group_metadata_destroy(group);", "")],
           Kafka(faults.nothing, ("lost", "behind"))),
    Defect("one_name_each_start", "the transactional id changes with every start: nobody ends what a dead worker left open",
           [(SINK, 'return kafka_conf_set(conf, "transactional.id", id, err);',
             '(void)snprintf(id, sizeof(id), "%.*s-%d", STR_ARGS(config->group), (int)getpid());\n'
             '    return kafka_conf_set(conf, "transactional.id", id, err);')],
           Kafka(faults.killed_before_commit, ("hanging",))),
    Defect("broken_connection_forgiven", "a producer whose connection broke within a transaction begins another",
           [(SINK, "    s->in_doubt = s->broken;", "    s->in_doubt = false;")],
           Kafka(faults.late_commit, ("repeated",), {"proxied": True, "producer": {"socket.timeout.ms": "1000"}})),
    Defect("dead_letter_outside", "a dead letter is committed before its batch is",
           [(SINK, "            FAILPOINT(dead_letter_produced);\n", "{\n            rd_kafka_error_t *defect = "
             "rd_kafka_commit_transaction(s->producer, KAFKA_CALL_MS);\n            if (defect == NULL)\n                defect = "
             "rd_kafka_begin_transaction(s->producer);\n            if (defect != NULL)\n                "
             "rd_kafka_error_destroy(defect);\n        }\n")],
           Kafka(faults.killed_when_delivered, ("repeated",))),
    Defect("abort_forgotten", "a batch that cannot be produced is left in its transaction",
           [(SINK, "    if (!produce_all(s, b))\n        return abort_transaction(s, b);", "    if (!produce_all(s, b))\n"
             "        return SINK_ABORTED;")],
           Kafka(faults.refused_rewards, ("lost", "hanging", "behind"))),
    # ---- reading ----------------------------------------------------------------------------------
    Defect("read_uncommitted", "records of aborted transactions are judged",
           [(SOURCE, '{"isolation.level", "read_committed"}', '{"isolation.level", "read_uncommitted"}')],
           Kafka(faults.gaps, ("invented",))),
    Defect("auto_offset_reset", "a group without offsets starts where librdkafka likes",
           [(LOOKUP, "    int64_t committed = p->offset;\n    if (l->start", "    int64_t committed = p->offset;\n"
             "    if (committed < 0)\n        return ERR_OK;\n    if (l->start"),
            (SOURCE, '{"auto.offset.reset", "error"}', '{"auto.offset.reset", "largest"}')],
           Kafka(faults.nothing, ("lost",))),
    Defect("read_twice", "what Kafka hands out a second time is taken a second time",
           [(WINDOW, "    if (offset < w->next)\n        return WINDOW_STALE;\n", "")],
           sim=Sim("test_simulation", ("holds", "again", "twice", "stuck"))),
    # ---- pauses -----------------------------------------------------------------------------------
    Defect("shadow_left_out", "the shadow's reward is not in the batch of its record", [(PIPELINE, """\
        if (it->shadow != NULL)
            add(p, it->shadow, h);
""", "")], sim=Sim("test_simulation", ("no shadow reward",))),
    Defect("waits_for_its_shadow", "a reward waits for its shadow's as long as that takes",
           [(JUDGE, "    grader_expire_by(&req->group, late_us);\n", "")], sim=Sim("test_shadow", ("a_live_reward_waits_so_long_and_no_longer",))),
    Defect("publishes_in_doubt", "what was judged before a round of canaries failed is published after it",
           [(PIPELINE, "    if (!judge_lets_out(p->judging.live))\n        return;\n", "")],
           sim=Sim("test_canaries", ("stop_publishes_nothing_more",))),
    Defect("deadlines_run_in_a_pause", "records expire while the ceiling holds the grader",
           [(HOLD, "        stopclock_stop(&g->pool.stopclock, POOL_STOPPED_BY_HOLD, now);\n", "        (void)now;\n")],
           sim=Sim("test_ceiling", ("no_hour_is_dearer_than_the_ceiling_and_nothing_fails",))),
    # ---- ownership --------------------------------------------------------------------------------
    Defect("lost_is_drained", "partitions that belong to others are drained and published as if they were ours", [(PIPELINE, """\
    if (p->state == RUNNING || p->state == DRAINING)
        move(p, DROPPING);""", """\
    p->drain_until_us = 0;
    if (p->state == RUNNING)
        move(p, DRAINING);""")], sim=Sim("test_simulation", ("not assigned", "outside"))),
    Defect("position_for_committed", "a new assignment starts where the last one had read to",
           [(PARTITION, "void partition_init(", "static int64_t defect[64];\n\nvoid partition_init("),
            (PARTITION, "    resume(&part->window, from,",
             "    struct source_partition moved = *from;\n    if (moved.offset < defect[part->number % 64])\n"
             "        moved.offset = defect[part->number % 64];\n    resume(&part->window, &moved,"),
            (PARTITION, "    window_done(&part->window);", "    defect[part->number % 64] = part->window.next;\n"
             "    window_done(&part->window);")],
           Kafka(faults.handed_over, ("lost",), SHORT_DRAIN)),
    # ---- messages ---------------------------------------------------------------------------------
    Defect("dead_letters_dropped", "what cannot be decoded is passed over",
           [(SINK, "    struct kafka_target *to = &s->targets.of[r->to];\n    rd_kafka_resp_err_t code = hand_over",
             "    struct kafka_target *to = &s->targets.of[r->to];\n    if (r->to == SINK_DEAD_LETTERS)\n        return true;\n"
             "    rd_kafka_resp_err_t code = hand_over")],
           Kafka(faults.nothing, ("lost",))),
    Defect("failures_dropped", "records that no grader could judge have no message",
           [(SINK, "    struct kafka_target *to = &s->targets.of[r->to];\n    rd_kafka_resp_err_t code = hand_over",
             "    struct kafka_target *to = &s->targets.of[r->to];\n    if (r->n_headers > 1 && str_eq(r->headers[1].value, STR(\"FAILED\")))\n"
             "        return true;\n    rd_kafka_resp_err_t code = hand_over")],
           Kafka(faults.nothing, ("lost",))),
    Defect("default_reward", "a failure is the number 1", [("src/reward/reward.c", "    ret->mask_sample = !ret->has_reward;\n", """\
    if (ret->status == STATUS_FAILED) {
        ret->has_reward = true;
        ret->reward = 1;
    }
    ret->mask_sample = !ret->has_reward;
""")], Kafka(faults.nothing, ("number",)), Sim("test_simulation", ("reward", "Reward"))),
]
