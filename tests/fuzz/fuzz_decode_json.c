/* Any bytes as a JSON record: taken or refused within the limits, and what is taken owns its text.
 */
#include "../support/fuzz.h"

#include "base/utf8.h"
#include "record/record.h"

static void messages_are_text(const struct message *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        require(m[i].role.n > 0 && utf8_valid(m[i].role) && utf8_valid(m[i].content));
        for (size_t k = 0; k < m[i].n_parts; k++)
            require(utf8_valid(m[i].parts[k].text) && utf8_valid(m[i].parts[k].uri));
        for (size_t k = 0; k < m[i].n_tool_calls; k++)
            require(utf8_valid(m[i].tool_calls[k].arguments));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct record_origin origin = {STR_INIT("t"), 0, 7};
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
        record_decode(&a, (struct str){copy, size}, RECORD_JSON, &limits, &origin, &refusal);
    memset(copy, 0xa5, size);
    free(copy); /* nothing points into it any more */
    require((r == NULL) == (refusal.kind != REFUSAL_NONE));
    require(refusal.offset <= size);
    require(a.used <= limits.memory_bytes);
    if (r != NULL) {
        require(r->n_prompt > 0 && r->n_completion > 0 && r->completion_id.n > 0);
        require(utf8_valid(r->completion_id) && utf8_valid(r->extra_info_json));
        require(utf8_valid(record_response(r)));
        messages_are_text(r->prompt, r->n_prompt);
        messages_are_text(r->completion, r->n_completion);
    }
    arena_done(&a);
    return 0;
}
