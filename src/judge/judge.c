#include "judge/judge.h"

#include <stdio.h>

#include "judge/trivial.h"
#include "policy/check.h"

static bool settle(struct judge_req *req, enum status status, enum reason reason,
                   const char *detail)
{
    struct judged *out = &req->result;
    out->status = status;
    out->reason = reason;
    (void)snprintf(out->detail, sizeof(out->detail), "%s", detail);
    out->grading_us = clock_mono_us(req->judge->clock) - req->started_us;
    return true;
}

/* No letter, no digit, nothing outside ASCII: text such as "" or ":" that fools graders. */
static bool is_trivial(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
            return false;
    }
    return true;
}

static unsigned tripwires(struct str response)
{
    unsigned found = 0;
    if (response.n > 0 && memchr(response.p, '\0', response.n) != NULL)
        found |= TRIPWIRE_EMBEDDED_NUL;
    if (is_trivial(response))
        found |= TRIPWIRE_EMPTY_COMPLETION;
    else if (trivial_response(response))
        found |= TRIPWIRE_TRIVIAL_COMPLETION;
    return found;
}

/* Gates that settle a record before anything is asked; true when one did. */
static bool gate(struct judge_req *req, struct str response)
{
    const struct policy *policy = req->judge->policy;
    const struct record *record = req->record;
    struct judged *out = &req->result;

    out->response_type = policy_route(policy, record->response_type, record->behavior_category);
    if (out->response_type == SIZE_MAX) {
        switch (policy->unrouted) {
        case UNROUTED_REWARD_MODEL_ONLY:
            out->reward_model_only = true;
            return settle(req, STATUS_OK, REASON_NONE, "");
        case UNROUTED_FAIL:
            return settle(req, STATUS_FAILED, REASON_NO_POLICY, "no response type matches");
        case UNROUTED_SKIP:
            break;
        }
        return settle(req, STATUS_SKIPPED, REASON_NO_POLICY, "no response type matches");
    }
    if (req->deadline_us <= req->started_us || req->expires_us <= req->started_us)
        return settle(req, STATUS_EXPIRED, REASON_DEADLINE, "deadline passed before judging");
    out->tripwires = tripwires(response);
    if ((out->tripwires & TRIPWIRE_EMPTY_COMPLETION) != 0) {
        if (policy->empty_completion == EMPTY_SKIP)
            return settle(req, STATUS_SKIPPED, REASON_EMPTY_COMPLETION, "nothing to judge");
        if (policy->empty_completion == EMPTY_FAIL)
            return settle(req, STATUS_FAILED, REASON_EMPTY_COMPLETION, "nothing to judge");
    }
    if (policy->reward_model == REWARD_MODEL_REQUIRE && !record->has_reward_model_score)
        return settle(req, STATUS_FAILED, REASON_MISSING_INPUT, "reward_model_score is missing");
    return false;
}

static bool known(const struct record *record, struct str name, double *ret)
{
    for (size_t i = 0; i < record->n_known; i++) {
        if (!str_eq(record->known[i].name, name))
            continue;
        *ret = record->known[i].probability;
        return true;
    }
    return false;
}

/* Answers what needs no grader; returns how many propositions are left PENDING. */
static size_t answer_locally(struct judge_req *req, struct str response)
{
    const struct judge *j = req->judge;
    const struct response_type *type = &j->policy->response_types[req->result.response_type];
    size_t pending = 0;
    for (size_t i = 0; i < j->policy->n_propositions; i++) {
        const struct proposition *p = &j->policy->propositions[i];
        struct judgment *judgment = &req->result.judgments[i];
        double probability;
        if (!type->asked[i])
            continue;
        if (j->use_known && known(req->record, p->name, &probability)) {
            *judgment = (struct judgment){
                .status = JUDGMENT_GRADED, .probability = probability, .mass = 1, .cached = true};
        } else if (p->check != NULL) {
            *judgment = (struct judgment){.status = JUDGMENT_GRADED,
                                          .probability = check_holds(p->check, response) ? 1 : 0,
                                          .mass = 1,
                                          .has_digest = true};
            judgment_check_digest(check_definition(p->check), response, judgment->digest);
        } else {
            judgment->status = JUDGMENT_PENDING;
            pending++;
        }
    }
    return pending;
}

static void leave_ungraded(struct judge_req *req, enum reason reason)
{
    for (size_t i = 0; i < req->judge->policy->n_propositions; i++) {
        struct judgment *judgment = &req->result.judgments[i];
        if (judgment->status == JUDGMENT_PENDING)
            *judgment = (struct judgment){.status = JUDGMENT_UNGRADED, .reason = reason};
    }
}

static bool expired(const struct judge_req *req)
{
    for (size_t i = 0; i < req->judge->policy->n_propositions; i++) {
        const struct judgment *judgment = &req->result.judgments[i];
        if (judgment->status == JUDGMENT_UNGRADED && judgment->reason == REASON_DEADLINE)
            return true;
    }
    return false;
}

/* As each answer comes, also when nobody waits for the record any more. */
static void on_judgment(struct grader_group *g, size_t proposition)
{
    struct judge_req *req = CONTAINER_OF(g, struct judge_req, group);
    struct cache *cache = req->judge->cache;
    const struct judgment *judgment = &g->judgments[proposition];
    struct cache_entry entry = {.probability = judgment->probability,
                                .mass = judgment->mass,
                                .graded_ms = clock_wall_ms(req->judge->clock)};
    if (cache == NULL || judgment->cached) /* kept by whoever asked */
        return;
    entry.model_n = strnlen(g->use.response_model, sizeof(entry.model));
    memcpy(entry.model, g->use.response_model, entry.model_n);
    cache->put(cache, judgment->digest, &entry);
}

/* The reward names the model that answered last; one that answers now is later than any before. */
static void keep_use(struct judged *out, const struct grader_use *use)
{
    char cached[sizeof(use->response_model)];
    memcpy(cached, out->use.response_model, sizeof(cached));
    out->use = *use;
    if (use->response_model[0] == '\0')
        memcpy(out->use.response_model, cached, sizeof(cached));
}

/* All judgments are there, or why not. */
static bool conclude(struct judge_req *req)
{
    if (req->judge->policy->on_ungraded != UNGRADED_FAIL || !expired(req))
        return settle(req, STATUS_OK, REASON_NONE, "");
    const char *detail = "deadline passed while judging";
    if (req->cancelled)
        detail = "given up: it held up the records behind it";
    else if (clock_mono_us(req->judge->clock) >= req->late_us)
        detail = "given up: the record's other reward waited for it";
    return settle(req, STATUS_EXPIRED, REASON_DEADLINE, detail);
}

static void on_group_done(struct grader_group *g)
{
    struct judge_req *req = CONTAINER_OF(g, struct judge_req, group);
    req->asking = false;
    keep_use(&req->result, &g->use);
    if (req->shared > 0) /* judge_follow is to come */
        return;
    (void)conclude(req);
    req->done(req);
}

/* ---- what another policy shares --------------------------------------------------------------
 */

/* What `first` has for the same question; NULL: it does not ask it, or might leave unanswered what
 * is an answer for this policy. */
static const struct judgment *same_of(const struct judge_req *req, const struct judgment *judgment)
{
    const struct judge_req *first = req->first;
    if (first == NULL || first->result.judgments == NULL ||
        first->judge->policy->min_mass > req->judge->policy->min_mass)
        return NULL;
    for (size_t i = 0; i < first->judge->policy->n_propositions; i++) {
        const struct judgment *other = &first->result.judgments[i];
        if (other->has_digest &&
            memcmp(other->digest, judgment->digest, sizeof(other->digest)) == 0)
            return other;
    }
    return NULL;
}

/* Its judgment is paid for. */
static void take_over(struct judge_req *req, struct judgment *to, const struct judgment *from)
{
    const struct grader_use *use = &req->first->result.use;
    struct grader_use *own = &req->result.use;
    to->mass = from->mass;
    if (from->status == JUDGMENT_GRADED && from->mass >= req->judge->policy->min_mass) {
        to->status = JUDGMENT_GRADED;
        to->probability = from->probability;
        to->cached = true;
    } else {
        to->status = JUDGMENT_UNGRADED;
        to->reason = from->status == JUDGMENT_GRADED ? REASON_LOW_PROBABILITY_MASS : from->reason;
    }
    if (own->response_model[0] == '\0') {
        memcpy(own->response_model, use->response_model, sizeof(own->response_model));
        memcpy(own->system_fingerprint, use->system_fingerprint, sizeof(own->system_fingerprint));
    }
}

/* True: `first` has it, or will have it. */
static bool share(struct judge_req *req, struct judgment *judgment)
{
    const struct judgment *same = same_of(req, judgment);
    if (same == NULL)
        return false;
    if (same->status == JUDGMENT_PENDING) {
        judgment->status = JUDGMENT_SHARED;
        req->shared++;
    } else {
        take_over(req, judgment, same);
    }
    return true;
}

bool judge_follow(struct judge_req *req, int64_t late_us)
{
    for (size_t i = 0; req->shared > 0; i++) {
        struct judgment *judgment = &req->result.judgments[i];
        if (judgment->status != JUDGMENT_SHARED)
            continue;
        take_over(req, judgment, same_of(req, judgment));
        req->shared--;
    }
    if (!req->asking)
        return conclude(req);
    req->late_us = late_us;
    grader_expire_by(&req->group, late_us);
    return false;
}

/* ---- looking up and asking -------------------------------------------------------------------
 */

static bool look_up(struct judge_req *req, struct judgment *judgment)
{
    struct cache *cache = req->judge->cache;
    struct cache_entry entry;
    char *model = req->result.use.response_model;
    if (cache == NULL || !cache->get(cache, judgment->digest, &entry))
        return false;
    if (entry.mass < req->judge->policy->min_mass) /* enough for another policy, not for this */
        return false;
    judgment->status = JUDGMENT_GRADED;
    judgment->probability = entry.probability;
    judgment->mass = entry.mass;
    judgment->cached = true;
    memcpy(model, entry.model, entry.model_n);
    model[entry.model_n] = '\0';
    return true;
}

/* Looks up what is PENDING; true when some of it is to be asked. */
static bool look_up_all(struct judge_req *req)
{
    const struct judge *j = req->judge;
    bool missing = false, ahead = false;
    for (size_t i = 0; i < j->policy->n_propositions; i++) {
        struct judgment *judgment = &req->result.judgments[i];
        if (judgment->status != JUDGMENT_PENDING)
            continue;
        grader_digest(j->grader, &req->prompt, i, judgment->digest);
        judgment->has_digest = true;
        if (!ahead && j->cache != NULL)
            cache_ahead(j->cache, judgment->digest);
        ahead = true;
        missing |= !share(req, judgment) && !look_up(req, judgment);
    }
    return missing;
}

static bool ask(struct judge_req *req)
{
    struct judge *j = req->judge;
    struct judged *out = &req->result;
    if (prompt_build(req->arena, j->policy, req->record, &req->prompt) != ERR_OK) {
        leave_ungraded(req, REASON_INVALID_RECORD);
        return settle(req, STATUS_FAILED, REASON_INVALID_RECORD,
                      "the prompt needs more memory than one record may use");
    }
    if (req->prompt.control_tokens)
        out->tripwires |= TRIPWIRE_CONTROL_TOKENS;
    if (req->prompt.forged)
        out->tripwires |= TRIPWIRE_FORGED_STRUCTURE;
    out->grader_name = grader_name(j->grader);
    out->grader_model = grader_model(j->grader);
    if (!look_up_all(req))
        return req->shared == 0 && conclude(req);
    req->group = (struct grader_group){
        .prompt = &req->prompt,
        .judgments = out->judgments,
        .deadline_us = req->deadline_us,
        .expires_us = req->expires_us,
        .run = str_hash(req->record->run_id),
        .judged = on_judgment,
        .done = on_group_done,
    };
    req->asking = true;
    if (j->canaries != NULL)
        canaries_saw_record(j->canaries);
    grader_ask(j->grader, &req->group);
    return false;
}

bool judge_can_take(const struct judge *j)
{
    return j->grader == NULL ||
           (!grader_is_down(j->grader) && grader_held(j->grader) == 0 && judge_lets_out(j));
}

bool judge_lets_out(const struct judge *j)
{
    return j->canaries == NULL || canaries_let_out(j->canaries);
}

bool judge_start(struct judge *j, struct judge_req *req)
{
    req->judge = j;
    req->asking = req->cancelled = false;
    req->shared = 0;
    req->late_us = CLOCK_NEVER;
    req->started_us = clock_mono_us(j->clock);
    req->result = (struct judged){.response_type = SIZE_MAX, .status = STATUS_OK};
    req->result.judgments =
        arena_array(req->arena, j->policy->n_propositions, sizeof(struct judgment));
    if (req->result.judgments == NULL)
        return settle(req, STATUS_FAILED, REASON_INVALID_RECORD,
                      "the record needs more memory than one record may use");
    struct str response = record_response(req->record);
    if (gate(req, response))
        return true;
    if (answer_locally(req, response) == 0)
        return settle(req, STATUS_OK, REASON_NONE, "");
    if (j->grader == NULL) {
        leave_ungraded(req, REASON_MISSING_INPUT);
        return settle(req, STATUS_OK, REASON_NONE, "");
    }
    return ask(req);
}

void judge_wind_down(struct judge_req *req)
{
    if (req->asking)
        grader_wind_down(&req->group);
}

void judge_cancel(struct judge_req *req)
{
    req->cancelled = true;
    if (req->asking)
        grader_cancel(&req->group);
}
