/* reward/facts: the same facts from the message and from its line of JSON; what is no reward is
 * refused with the reason. */
#include "unit.h"

#include <math.h>

#include "proto/reward.pb-c.h"
#include "reward/facts.h"
#include "reward/message.h"

static ProtobufCBinaryData bytes(struct str s)
{
    return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

/* A reward with two classes and three components, one of them without a value. */
struct sample {
    Rbr__V1__Reward m;
    Rbr__V1__Component components[3], *component_list[3];
    Rbr__V1__ClassProbability classes[2], *class_list[2];
};

static void sample_init(struct sample *s)
{
    static const char *const names[] = {"ideal", "sorry", "clip"};
    *s = (struct sample){.m = RBR__V1__REWARD__INIT};
    for (size_t i = 0; i < 3; i++) {
        s->components[i] = (Rbr__V1__Component)RBR__V1__COMPONENT__INIT;
        s->components[i].name = bytes(str_z(names[i]));
        s->components[i].value = (double)i - 0.5;
        if (i != 1)
            s->components[i].value_presence_case = RBR__V1__COMPONENT__VALUE_PRESENCE_VALUE;
        s->component_list[i] = &s->components[i];
    }
    for (size_t i = 0; i < 2; i++) {
        s->classes[i] = (Rbr__V1__ClassProbability)RBR__V1__CLASS_PROBABILITY__INIT;
        s->classes[i].name = bytes(i == 0 ? STR("good") : STR("bad"));
        s->class_list[i] = &s->classes[i];
    }
    s->m.reward_id = bytes(STR("f00d"));
    s->m.completion_id = bytes(STR("c\0\xc3\xa4"));
    s->m.run_id = bytes(STR("run"));
    s->m.group_id = bytes(STR("g"));
    s->m.response_type = bytes(STR("comply"));
    s->m.predicted_class = bytes(STR("bad"));
    s->m.attempt = 4000000000u;
    s->m.status = RBR__V1__STATUS__STATUS_PARTIAL;
    s->m.reward_presence_case = RBR__V1__REWARD__REWARD_PRESENCE_REWARD;
    s->m.reward = 1.0 / 3;
    s->m.components = s->component_list;
    s->m.n_components = 3;
    s->m.classes = s->class_list;
    s->m.n_classes = 2;
}

static struct str pack(const Rbr__V1__Reward *m)
{
    char *p = mem_alloc(rbr__v1__reward__get_packed_size(m) + 1);
    return (struct str){p, rbr__v1__reward__pack(m, (uint8_t *)p)};
}

static void check_sample(const struct reward_facts *f)
{
    assert_str(f->reward_id, "f00d");
    assert_str(f->completion_id, "c\0\xc3\xa4");
    assert_str(f->run_id, "run");
    assert_str(f->group_id, "g");
    assert_str(f->response_type, "comply");
    assert_str(f->predicted_class, "bad");
    assert_int_equal(f->attempt, 4000000000u);
    assert_int_equal(f->status, STATUS_PARTIAL);
    assert_true(f->has_reward);
    assert_float_equal(f->reward, 1.0 / 3, 0);
    assert_int_equal(f->n_classes, 2);
    assert_str(f->classes[0], "good");
    assert_str(f->classes[1], "bad");
    assert_int_equal(f->n_addends, 2);
    assert_str(f->addends[0].name, "ideal");
    assert_float_equal(f->addends[0].value, -0.5, 0);
    assert_str(f->addends[1].name, "clip");
    assert_float_equal(f->addends[1].value, 1.5, 0);
}

static void the_same_facts_from_message_and_line(void **state RBR_UNUSED)
{
    struct sample s;
    struct arena a;
    struct buf line;
    struct reward_facts f;
    struct err err = {0};
    arena_init(&a, 1 << 20);
    buf_init(&line, 1 << 20);
    sample_init(&s);
    struct str packed = pack(&s.m);
    assert_int_equal(reward_facts_unpack(packed, &a, &f, &err), ERR_OK);
    check_sample(&f);
    assert_int_equal(message_print(MESSAGE_REWARD, packed, MESSAGE_JSON_LINE, &line, &err), ERR_OK);
    assert_int_equal(reward_facts_parse(buf_str(&line), &a, &f, &err), ERR_OK);
    check_sample(&f);
    mem_free((void *)(uintptr_t)packed.p);
    buf_done(&line);
    arena_done(&a);
}

/* Whatever stands in `reward`: only OK and PARTIAL make it a number. */
static void a_failure_is_never_a_number(void **state RBR_UNUSED)
{
    for (int status = STATUS_OK; status <= STATUS_CANCELLED + 1; status++) {
        struct sample s;
        struct arena a;
        struct reward_facts f;
        struct err err = {0};
        arena_init(&a, 1 << 20);
        sample_init(&s);
        s.m.status = (Rbr__V1__Status)status;
        struct str packed = pack(&s.m);
        assert_int_equal(reward_facts_unpack(packed, &a, &f, &err), ERR_OK);
        assert_int_equal(f.status, status <= STATUS_CANCELLED ? status : STATUS_UNSPECIFIED);
        assert_int_equal(f.has_reward, status == STATUS_OK || status == STATUS_PARTIAL);
        assert_true(f.has_reward || f.reward == 0);
        mem_free((void *)(uintptr_t)packed.p);
        arena_done(&a);
    }
}

static void lines_that_are_no_reward(void **state RBR_UNUSED)
{
#define IDS "\"reward_id\":\"r\",\"completion_id\":\"c\""
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"[", "no reward: the text ends inside a value at byte 1"},
        {"[1]", "no reward: it has no status of one"},
        {"{\"completion_id\":\"c\",\"completion\":\"text\"}", "no reward: it has no status of one"},
        {"{\"status\":\"OK\"}", "no reward: it has no status of one"},
        {"{\"status\":null}", "no reward: it has no status of one"},
        {"{\"status\":\"STATUS_OK\"}", "no reward: it has no reward_id"},
        {"{\"status\":\"STATUS_OK\",\"reward_id\":\"r\"}", "no reward: it has no completion_id"},
        {"{\"status\":\"STATUS_OK\"," IDS ",\"attempt\":-1}",
         "no reward: one of attempt, reward_id, run_id, completion_id, group_id, response_type and "
         "predicted_class is of another type"},
        {"{\"status\":\"STATUS_OK\"," IDS ",\"group_id\":7}",
         "no reward: one of attempt, reward_id, run_id, completion_id, group_id, response_type and "
         "predicted_class is of another type"},
        {"{\"status\":\"STATUS_OK\"," IDS ",\"reward\":\"1\"}",
         "its reward is not a finite number"},
        {"{\"status\":\"STATUS_OK\"," IDS ",\"reward\":null}", "its reward is not a finite number"},
        {"{\"status\":\"STATUS_OK\"," IDS ",\"components\":[{\"name\":\"x\",\"value\":true}]}",
         "the value of a component is not a finite number"},
    };
#undef IDS
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct reward_facts f;
        struct err err = {0};
        arena_init(&a, 1 << 20);
        assert_int_equal(reward_facts_parse(str_z(cases[i].line), &a, &f, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i].says);
        arena_done(&a);
    }
}

/* The arrays are of something else, or of nothing: there is nothing in them to compare. */
static void odd_arrays_are_empty(void **state RBR_UNUSED)
{
    static const struct str line =
        STR_INIT("{\"status\":9,\"reward_id\":\"r\",\"completion_id\":\"c\",\"classes\":[1,{}],"
                 "\"components\":\"x\"}");
    struct arena a;
    struct reward_facts f;
    struct err err = {0};
    arena_init(&a, 1 << 20);
    assert_int_equal(reward_facts_parse(line, &a, &f, &err), ERR_OK);
    assert_int_equal(f.status, STATUS_UNSPECIFIED);
    assert_int_equal(f.n_classes + f.n_addends, 0);
    arena_done(&a);
}

static void messages_that_are_no_reward(void **state RBR_UNUSED)
{
    struct arena a;
    struct reward_facts f;
    struct err err = {0};
    struct sample s;
    arena_init(&a, 1 << 20);
    assert_int_equal(reward_facts_unpack(STR("\xff\xff"), &a, &f, &err), ERR_INVALID);
    assert_string_equal(err.msg, "2 bytes that are no rbr.v1.Reward; is this the right topic?");
    assert_int_equal(reward_facts_unpack((struct str){0}, &a, &f, &err), ERR_INVALID);
    sample_init(&s);
    s.m.reward = INFINITY;
    struct str packed = pack(&s.m);
    assert_int_equal(reward_facts_unpack(packed, &a, &f, &err), ERR_INVALID);
    assert_string_equal(err.msg, "its reward is not a finite number");
    mem_free((void *)(uintptr_t)packed.p);
    s.m.reward = 1;
    packed = pack(&s.m);
    arena_done(&a);
    arena_init(&a, 16);
    assert_int_equal(reward_facts_unpack(packed, &a, &f, &err), ERR_LIMIT);
    mem_free((void *)(uintptr_t)packed.p);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_facts_from_message_and_line),
        cmocka_unit_test(a_failure_is_never_a_number),
        cmocka_unit_test(lines_that_are_no_reward),
        cmocka_unit_test(odd_arrays_are_empty),
        cmocka_unit_test(messages_that_are_no_reward),
    };
    return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
