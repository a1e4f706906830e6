#include "grader/reply.h"

#include <math.h>

#include "base/num.h"

struct str reply_text(const struct json *v)
{
    return v != NULL && v->type == JSON_STRING ? v->string : (struct str){0};
}

static const struct json *either(const struct json *object, const char *key, const char *other)
{
    const struct json *v = json_get(object, str_z(key));
    return v != NULL ? v : json_get(object, str_z(other));
}

/* No request has more than a milliard: what says so is no count. */
static bool count(const struct json *v, uint64_t *ret)
{
    int64_t n;
    if (!json_integer(v, 0, 1000000000, &n))
        return false;
    *ret = (uint64_t)n;
    return true;
}

/* Chat and completions count "prompt" and "completion" tokens, the decision APIs "input" and
 * "output". What reads a prompt and makes nothing may leave out the second, not the first. */
static void read_usage(const struct json *usage, struct dialect_reply *ret)
{
    const struct json *input = either(usage, "prompt_tokens", "input_tokens");
    const struct json *output = either(usage, "completion_tokens", "output_tokens");
    const struct json *details = either(usage, "prompt_tokens_details", "input_tokens_details");
    struct usage u = {0};
    ret->says_usage =
        count(input, &u.input_tokens) && (output == NULL || count(output, &u.output_tokens));
    if (!ret->says_usage)
        return;
    (void)count(json_get(details, STR("cached_tokens")), &u.cached_input_tokens);
    ret->usage = u;
}

const struct json *reply_begin(struct arena *a, struct str body, struct answer *answers, size_t n,
                               struct dialect_reply *ret)
{
    struct json_fault fault;
    const struct json *root = json_parse(a, body, &fault);
    *ret = (struct dialect_reply){0};
    for (size_t i = 0; i < n; i++)
        answers[i] = answer_broken();
    if (root == NULL || root->type != JSON_OBJECT)
        return NULL;
    ret->model = reply_text(json_get(root, STR("model")));
    ret->system_fingerprint = reply_text(json_get(root, STR("system_fingerprint")));
    read_usage(json_get(root, STR("usage")), ret);
    return reply_is_error(root) ? NULL : root;
}

bool reply_is_error(const struct json *v)
{
    const struct json *error = json_get(v, STR("error"));
    return reply_text(error).n > 0 || (error != NULL && error->type == JSON_OBJECT);
}

void reply_usage(struct arena *a, struct str body, struct dialect_reply *ret)
{
    const struct json *root = reply_begin(a, body, NULL, 0, ret);
    (void)root; /* nothing more is wanted of it */
}

const struct json *reply_array(const struct json *v, struct str key)
{
    const struct json *list = json_get(v, key);
    return list != NULL && list->type == JSON_ARRAY ? list : NULL;
}

const struct json *reply_first(const struct json *list)
{
    return list != NULL ? list->child : NULL;
}

void reply_put(struct reply_slots *s, size_t i, struct answer answer)
{
    if (i == SIZE_MAX)
        return;
    s->answers[i] = s->taken[i] ? answer_broken() : answer;
    s->taken[i] = true;
}

size_t reply_index(const struct json *v, size_t n)
{
    int64_t i;
    bool is_ours = json_integer(json_get(v, STR("index")), 0, (int64_t)n - 1, &i);
    return is_ours ? (size_t)i : SIZE_MAX;
}

size_t reply_question(struct str name, size_t n)
{
    uint64_t k;
    if (name.n < 2 || name.p[0] != 'q' || (name.p[1] == '0' && name.n > 2)) /* q07 is not q7 */
        return SIZE_MAX;
    return num_parse_u64(str_sub(name, 1, name.n), &k) && k < n ? (size_t)k : SIZE_MAX;
}

struct answer reply_probability(const struct json *p, const struct json *mass,
                                const struct policy *policy)
{
    const double most = 1.01; /* servers round */
    double m = 1;
    if (p == NULL || p->type != JSON_NUMBER || !(p->number >= 0 && p->number <= 1))
        return answer_broken();
    if (mass != NULL && mass->type != JSON_NULL) {
        if (mass->type != JSON_NUMBER || !(mass->number >= 0 && mass->number <= most))
            return answer_broken();
        m = mass->number < 1 ? mass->number : 1;
    }
    if (m < policy->min_mass || m == 0)
        return (struct answer){.reason = REASON_LOW_PROBABILITY_MASS, .mass = m};
    return (struct answer){.probability = p->number, .mass = m};
}
