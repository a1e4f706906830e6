/* Any bytes as a record whose format the first byte tells (protobuf and Confluent framing, mostly):
 * taken or refused within the limits; what is taken owns its text, all of it valid UTF-8. */
#include "../support/fuzz.h"

#include "base/utf8.h"
#include "record/record.h"

static void lists_are_text(const struct record *r)
{
    for (size_t i = 0; i < r->n_labels; i++)
        require(utf8_valid(r->labels[i].key) && utf8_valid(r->labels[i].value));
    for (size_t i = 0; i < r->n_scores; i++)
        require(utf8_valid(r->scores[i].name) && utf8_valid(r->scores[i].source));
    for (size_t i = 0; i < r->n_rubric; i++)
        require(utf8_valid(r->rubric[i].text) && utf8_valid(r->rubric[i].grader));
    for (size_t i = 0; i < r->n_weight_versions; i++)
        require(utf8_valid(r->weight_versions[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct record_limits limits = {
        .value_bytes = 1u << 16, .memory_bytes = 1u << 20, .fields = 1000};
    struct refusal refusal;
    struct arena a;
    char *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    arena_init(&a, limits.memory_bytes);
    const struct record *r =
        record_decode(&a, (struct str){copy, size}, RECORD_DETECT, &limits, NULL, &refusal);
    memset(copy, 0xa5, size);
    free(copy); /* nothing points into it any more */
    require((r == NULL) == (refusal.kind != REFUSAL_NONE));
    require(refusal.offset <= size);
    require(a.used <= limits.memory_bytes);
    if (r != NULL) {
        require(r->n_prompt > 0 && r->n_completion > 0 && r->completion_id.n > 0);
        require(utf8_valid(r->completion_id) && utf8_valid(r->ground_truth));
        require(utf8_valid(record_response(r)));
        lists_are_text(r);
        for (size_t i = 0; i < r->n_prompt; i++)
            require(r->prompt[i].role.n > 0 && utf8_valid(r->prompt[i].content));
    }
    arena_done(&a);
    return 0;
}
