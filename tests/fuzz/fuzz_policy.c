/* Any text as a policy, and as an overlay of itself: an error finding or a policy, never both;
 * findings can be printed; the hash of a policy does not depend on when it is loaded. */
#include "../support/fuzz.h"

#include "base/utf8.h"
#include "policy/check.h"
#include "policy/policy.h"

const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses 4 KiB over some texts that it refuses (corpus/policy/refused_braces.yaml).
 */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void print_all(const struct findings *f)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    for (size_t i = 0; i < f->n; i++) {
        buf_reset(&b);
        require(finding_print(&f->items[i], &b));
    }
    buf_done(&b);
}

static struct policy *load(struct str text, size_t times)
{
    const struct policy_file files[2] = {{STR_INIT("a.yaml"), text}, {STR_INIT("b.yaml"), text}};
    struct findings f;
    findings_init(&f);
    struct policy *p = policy_load(files, times, &f);
    require((p == NULL) == (f.errors > 0));
    print_all(&f);
    findings_done(&f);
    return p;
}

static void is_whole(const struct policy *p)
{
    require(p->n_classes > 0 && p->n_response_types > 0 && p->n_segments >= 2);
    for (size_t i = 0; i < p->n_propositions; i++) {
        const struct proposition *q = &p->propositions[i];
        require((q->check != NULL) != (q->question.n > 0));
        if (q->check != NULL)
            (void)check_holds(q->check, STR("some text\0{}"));
    }
    for (size_t i = 0; i < p->n_response_types; i++) {
        const struct response_type *t = &p->response_types[i];
        require(policy_route(p, t->name, STR("")) == i || p->route_by_category);
        for (size_t k = 0; k < t->n_decisions; k++) {
            require(t->decisions[k].proposition < p->n_propositions);
            require(t->decisions[k].when_true < (int32_t)t->n_decisions);
            require(t->decisions[k].when_true >= -(int32_t)p->n_classes);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    if (size == 0)
        text.p = "";
    /* The C library's compiler of regular expressions takes gigabytes for x{9999}{9999}: policies
     * are written by operators, and this fuzzer is not about it. */
    if (str_find(text, STR("regex"), 0) != SIZE_MAX)
        return 0;
    struct policy *once = load(text, 1), *twice = load(text, 2);
    require((once == NULL) == (twice == NULL));
    if (once != NULL) {
        is_whole(once);
        require(memcmp(once->hash, twice->hash, sizeof(once->hash)) == 0);
    }
    policy_free(once);
    policy_free(twice);
    return 0;
}
