/* policy/digest: the hash is of what a policy means, not of how its file looks. */
#include "policies.h"

#define BASE                                                                                       \
    "prompt_template: '{response} {question}'\n"                                                   \
    "completion_class_order: [good, bad]\n"                                                        \
    "simple_propositions:\n  a: {prompt: qa}\n  b: {prompt: qb}\n  c: {check: {max_chars: 4}}\n"   \
    "derived_propositions: {d: {a: true, b: false}}\n"                                             \
    "completion_classes:\n"                                                                        \
    "  good: {t: {d: true}, u: {a: true}}\n"                                                       \
    "  bad: {t: {d: false}, u: {a: false}}\n"                                                      \
    "response_types: {aliases: {x: t, y: u}, categories: {k: t, l: u}}\n"                          \
    "features: {t: {propositions: [a, c]}}\n"                                                      \
    "weights: {t: {a: 1, good: 2}, u: {a: 3}}\n"                                                   \
    "grading: {min_mass: 0.5, layout: inline}\n"                                                   \
    "reward: {clip: [-1, 1], rm_weight: 1}\n"

static void hash_of(const char *one, const char *two, char hex[65])
{
    struct policy *p = policies_overlaid(one, two);
    memcpy(hex, p->hash_hex, 65);
    policy_free(p);
}

/* Rewards in topics and judgments in caches carry it: when this changes, so does the name inside
 * the hash (rbr-policy-1), and CHANGELOG.md says so. */
static void the_hash_is_pinned(void **state RBR_UNUSED)
{
    char hex[65];
    hash_of(BASE, NULL, hex);
    assert_string_equal(hex, "80b84fdd0238d59dedf2380ac8104cef0dfeca9e9aa585a402331e9baa723791");
}

static const struct {
    const char *from, *to;
} same[] = {
    {"grading:", "# a comment\n\ngrading:   # another\n "},
    {"a: {prompt: qa}", "a: {prompt: 'qa'}"},
    {"a: {prompt: qa}", "a:\n    prompt: >-\n      qa\n"},
    {"{min_mass: 0.5, layout: inline}", "{layout: inline, min_mass: 0.5}"},
    {"{min_mass: 0.5, layout: inline}", "{}"}, /* the defaults, written out or not */
    {"min_mass: 0.5", "min_mass: 5e-1"},
    {"{aliases: {x: t, y: u}, categories", "{aliases: {y: u, x: t}, categories"},
    {"categories: {k: t, l: u}", "categories: {l: u, k: t}"},
    {"{aliases: {x: t, y: u}, categories: {k: t, l: u}}",
     "{categories: {k: T, l: U}, aliases: {x: t, y: u}}"},
    {"  good: {t: {d: true}, u: {a: true}}\n  bad: {t: {d: false}, u: {a: false}}\n",
     "  bad: {t: {d: false}, u: {a: false}}\n  good: {u: {a: true}, t: {d: true}}\n"},
    {"{t: {a: 1, good: 2}, u: {a: 3}}", "{u: {a: 3}, t: {good: 2, a: 1}}"},
    {"weights: {t: {a: 1, good: 2}",
     "policy: {id: other, version: x}\nweights: {t: {a: 1, good: 2}"},
};

static const struct {
    const char *from, *to;
} different[] = {
    {"{response} {question}", "{response}  {question}"},
    {"[good, bad]", "[bad, good]"},
    {"a: {prompt: qa}", "a: {prompt: qA}"},
    {"max_chars: 4", "max_chars: 5"},
    {"max_chars: 4", "min_chars: 4"},
    {"  a: {prompt: qa}\n  b: {prompt: qb}\n", "  b: {prompt: qb}\n  a: {prompt: qa}\n"},
    {"d: {a: true, b: false}", "d: {a: true, b: true}"},
    {"d: {a: true, b: false}",
     "d: {b: false, a: true}"}, /* the order of factors is bits of the product */
    {"d: {a: true, b: false}", "d: {any: [{a: true}, {b: false}]}"},
    {"d: {a: true, b: false}", "d: {not: {any: [{a: true}, {b: false}]}}"},
    {"u: {a: true}}\n  bad: {t: {d: false}, u: {a: false}}",
     "u: {a: false}}\n  bad: {t: {d: false}, u: {a: true}}"},
    {"aliases: {x: t, y: u}", "aliases: {x: u, y: t}"},
    {"aliases: {x: t, y: u}", "aliases: {x: t}"},
    {"categories: {k: t, l: u}", "categories: {k: t, l: t}"},
    {"[a, c]", "[c, a]"},
    {"[a, c]", "[a, d]"},
    {"{a: 1, good: 2}", "{a: 1, good: 2.0000001}"},
    {"{a: 1, good: 2}", "{a: 1, bad: 2}"},
    {"{a: 1, good: 2}", "{a: 1, good: 2, bad: 0}"},
    {"min_mass: 0.5", "min_mass: 0.6"},
    {"layout: inline", "layout: chat"},
    {"layout: inline", "on_ungraded: bounds"},
    {"layout: inline", "train_on_partial: on"},
    {"layout: inline", "neutralise: off"},
    {"layout: inline", "ask: all"},
    {"layout: inline", "empty_completion: skip"},
    {"layout: inline", "labels: {yes: [ja]}"},
    {"layout: inline", "labels: {no: [nein]}"},
    {"layout: inline", "prior: {a: 0}"},
    {"clip: [-1, 1]", "clip: [-1, 2]"},
    {"clip: [-1, 1]", "reward_model: ignore"},
    {"clip: [-1, 1]", "clip: [-1, 1], classify_only: true"},
    {"rm_weight: 1", "rm_weight: 2"},
    {"grading:", "class_probability: exact\ngrading:"},
    {"grading:", "calibration: {a: {a: 1, b: 0}}\ngrading:"},
    {"response_types: {", "response_types: {unrouted: fail, "},
    {"response_types: {", "response_types: {route_by: behavior_category, "},
};

static void hash_replaced(const char *from, const char *to, char hex[65])
{
    struct buf b;
    size_t at = str_find(STR(BASE), str_z(from), 0);
    assert_true(at != SIZE_MAX);
    buf_init(&b, 1u << 16);
    (void)buf_append(&b, BASE, at);
    (void)buf_append_z(&b, to);
    (void)buf_append(&b, &BASE[at + strlen(from)], sizeof(BASE) - at - strlen(from));
    hash_of(b.p, NULL, hex);
    buf_done(&b);
}

static void what_means_the_same_has_the_same_hash(void **state RBR_UNUSED)
{
    char base[65], hex[65];
    hash_of(BASE, NULL, base);
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        hash_replaced(same[i].from, same[i].to, hex);
        if (strcmp(hex, base) != 0)
            fail_msg("'%s' for '%s' changed the hash", same[i].to, same[i].from);
    }
    hash_of(BASE, "grading: {min_mass: 0.5}\n", hex); /* two files */
    assert_string_equal(hex, base);
}

static void what_means_another_thing_has_another_hash(void **state RBR_UNUSED)
{
    char seen[ARRAY_LEN(different) + 1][65];
    hash_of(BASE, NULL, seen[ARRAY_LEN(different)]);
    for (size_t i = 0; i < ARRAY_LEN(different); i++)
        hash_replaced(different[i].from, different[i].to, seen[i]);
    for (size_t i = 0; i <= ARRAY_LEN(different); i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(seen[i], seen[k]) == 0)
                fail_msg("'%s' and '%s' have one hash", different[k].to,
                         i < ARRAY_LEN(different) ? different[i].to : "the base");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_pinned),
        cmocka_unit_test(what_means_the_same_has_the_same_hash),
        cmocka_unit_test(what_means_another_thing_has_another_hash),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
