#include "reward/facts.h"

#include <math.h>

#include "base/json.h"
#include "reward/unpack.h"

/* What both readers check at their end. */
static enum err_code checked(struct reward_facts *f, struct err *err)
{
    if (f->reward_id.n == 0 || f->completion_id.n == 0)
        return err_set(err, ERR_INVALID, "no reward: it has no %s",
                       f->reward_id.n == 0 ? "reward_id" : "completion_id");
    if (!isfinite(f->reward))
        return err_set(err, ERR_INVALID, "its reward is not a finite number");
    for (size_t i = 0; i < f->n_addends; i++)
        if (!isfinite(f->addends[i].value))
            return err_set(err, ERR_INVALID, "the value of a component is not a finite number");
    f->has_reward = f->has_reward && (f->status == STATUS_OK || f->status == STATUS_PARTIAL);
    f->reward = f->has_reward ? f->reward : 0;
    return ERR_OK;
}

static enum err_code too_large(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the reward is larger than allowed");
}

/* ---- packed -----------------------------------------------------------------------------------
 */

static bool take_lists(const Rbr__V1__Reward *m, struct arena *a, struct reward_facts *ret)
{
    struct str *classes = arena_array(a, m->n_classes, sizeof(*classes));
    struct reward_addend *addends = arena_array(a, m->n_components, sizeof(*addends));
    if (classes == NULL || addends == NULL)
        return false;
    for (size_t i = 0; i < m->n_classes; i++)
        classes[ret->n_classes++] = unpacked_str(m->classes[i]->name);
    for (size_t i = 0; i < m->n_components; i++) {
        const Rbr__V1__Component *c = m->components[i];
        if (c->value_presence_case == RBR__V1__COMPONENT__VALUE_PRESENCE_VALUE)
            addends[ret->n_addends++] =
                (struct reward_addend){.name = unpacked_str(c->name), .value = c->value};
    }
    ret->classes = classes;
    ret->addends = addends;
    return true;
}

enum err_code reward_facts_unpack(struct str packed, struct arena *a, struct reward_facts *ret,
                                  struct err *err)
{
    const Rbr__V1__Reward *m = reward_unpack(packed, a, err);
    if (m == NULL)
        return err->code;
    *ret = (struct reward_facts){
        .reward_id = unpacked_str(m->reward_id),
        .completion_id = unpacked_str(m->completion_id),
        .run_id = unpacked_str(m->run_id),
        .group_id = unpacked_str(m->group_id),
        .response_type = unpacked_str(m->response_type),
        .predicted_class = unpacked_str(m->predicted_class),
        .attempt = m->attempt,
        .status = unpacked_status(m),
        .has_reward = m->reward_presence_case == RBR__V1__REWARD__REWARD_PRESENCE_REWARD,
    };
    ret->reward = ret->has_reward ? m->reward : 0;
    return take_lists(m, a, ret) ? checked(ret, err) : too_large(err);
}

/* ---- as JSON ----------------------------------------------------------------------------------
 */

/* Absent is empty, as in the message. */
static bool read_text(const struct json *object, const char *key, struct str *ret)
{
    const struct json *v = json_get(object, str_z(key));
    *ret = v != NULL ? v->string : (struct str){0};
    return v == NULL || v->type == JSON_STRING;
}

static bool read_status(const struct json *v, enum status *ret)
{
    static const struct str prefix = STR_INIT("STATUS_");
    *ret = STATUS_UNSPECIFIED;
    if (v == NULL || (v->type != JSON_STRING && v->type != JSON_NUMBER))
        return false;
    if (v->type == JSON_NUMBER)
        return true;
    for (int s = STATUS_OK; s <= STATUS_CANCELLED; s++)
        if (str_has_prefix(v->string, prefix) &&
            str_eq(str_sub(v->string, prefix.n, v->string.n), str_z(status_name((enum status)s)))) {
            *ret = (enum status)s;
            return true;
        }
    return false;
}

static bool read_classes(const struct json *list, struct arena *a, struct reward_facts *ret)
{
    size_t n = list != NULL ? list->count : 0;
    struct str *classes = arena_array(a, n, sizeof(*classes));
    if (classes == NULL)
        return false;
    for (const struct json *v = n > 0 ? list->child : NULL; v != NULL; v = v->next) {
        const struct json *name = json_get(v, STR("name"));
        if (name != NULL)
            classes[ret->n_classes++] = name->string;
    }
    ret->classes = classes;
    return true;
}

static bool read_addends(const struct json *list, struct arena *a, struct reward_facts *ret)
{
    size_t n = list != NULL ? list->count : 0;
    struct reward_addend *addends = arena_array(a, n, sizeof(*addends));
    if (addends == NULL)
        return false;
    for (const struct json *v = n > 0 ? list->child : NULL; v != NULL; v = v->next) {
        const struct json *name = json_get(v, STR("name"));
        const struct json *value = json_get(v, STR("value"));
        if (name == NULL || value == NULL)
            continue;
        addends[ret->n_addends].name = name->string;
        addends[ret->n_addends++].value = value->type == JSON_NUMBER ? value->number : NAN;
    }
    ret->addends = addends;
    return true;
}

enum err_code reward_facts_parse(struct str line, struct arena *a, struct reward_facts *ret,
                                 struct err *err)
{
    struct json_fault fault;
    int64_t attempt = 0;
    *ret = (struct reward_facts){0};
    const struct json *object = json_parse(a, line, &fault);
    if (object == NULL)
        return err_set(err, ERR_INVALID, "no reward: %s at byte %zu", json_fault_text(fault.kind),
                       fault.offset);
    if (!read_status(json_get(object, STR("status")), &ret->status))
        return err_set(err, ERR_INVALID, "no reward: it has no status of one");
    const struct json *reward = json_get(object, STR("reward"));
    const struct json *tries = json_get(object, STR("attempt"));
    ret->has_reward = reward != NULL;
    if (reward != NULL)
        ret->reward = reward->type == JSON_NUMBER ? reward->number : NAN;
    if ((tries != NULL && !json_integer(tries, 0, UINT32_MAX, &attempt)) ||
        !read_text(object, "reward_id", &ret->reward_id) ||
        !read_text(object, "run_id", &ret->run_id) ||
        !read_text(object, "completion_id", &ret->completion_id) ||
        !read_text(object, "group_id", &ret->group_id) ||
        !read_text(object, "response_type", &ret->response_type) ||
        !read_text(object, "predicted_class", &ret->predicted_class))
        return err_set(err, ERR_INVALID,
                       "no reward: one of attempt, reward_id, run_id, completion_id, group_id, "
                       "response_type and predicted_class is of another type");
    ret->attempt = (uint32_t)attempt;
    if (!read_classes(json_get(object, STR("classes")), a, ret) ||
        !read_addends(json_get(object, STR("components")), a, ret))
        return too_large(err);
    return checked(ret, err);
}
