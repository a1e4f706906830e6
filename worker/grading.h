/* The half of the object graph that judges: loop, HTTP transport, grader, cache, judge. `rbr score`
 * has just this; the worker puts Kafka around it (app.h). Built in one call, torn down in reverse.
 * Loop thread. */
#ifndef RBR_WORKER_GRADING_H
#define RBR_WORKER_GRADING_H

#include "grader/addresses.h"
#include "grader/http.h"
#include "judge/judge.h"
#include "loop/loop.h"
#include "settings/settings.h"

struct grading {
    struct loop loop;
    const struct policy *policy;
    struct http *http; /* NULL when no grader is configured */
    struct transport_endpoint **endpoints;
    size_t n_endpoints;
    struct loop_resolver resolver;
    struct addresses *addresses; /* of endpoints by name; NULL: there is no grader */
    struct grader *grader;
    struct grader *shadow_grader; /* NULL: no shadow policy */
    struct spend spend; /* the ceiling of what graders may cost */
    struct cache *cache; /* NULL: nothing is kept */
    struct canaries *canaries; /* NULL: none */
    struct judge judge, shadow; /* shadow: when there is a shadow_grader */
};

/* Whether these settings go together and with the policy. */
enum err_code grading_check(const struct settings_grader *config, const struct policy *policy,
                            struct err *err) RBR_MUST_CHECK;

/* What its tokens cost, as the settings say. */
struct price grading_price(const struct settings_grader *config);

/* `config` NULL: no grader. `maintain` is the loop's (loop.h). */
enum err_code grading_init(struct grading *g, const struct policy *policy,
                           const struct settings_grader *config, int64_t (*maintain)(void *arg),
                           void *arg, struct err *err) RBR_MUST_CHECK;

/* Judges under a shadow policy too, by `shadow`. It has a grader of its own on the same endpoints,
 * with a quarter of its limits on top: requests that wait, hang or fail there take nothing from
 * the policy that counts. `config` is grading_init's. */
enum err_code grading_add_shadow(struct grading *g, const struct policy *policy,
                                 const struct settings_grader *config,
                                 struct err *err) RBR_MUST_CHECK;

/* Holds what graders cost to the settings' ceiling, from here on. */
void grading_limit_cost(struct grading *g, const struct settings *s);

/* Keeps judgments as the settings say, from here on. */
void grading_keep(struct grading *g, const struct settings *s);

/* Grades the settings' canaries, if there are any, from here on. */
enum err_code grading_watch(struct grading *g, const struct settings *s,
                            struct err *err) RBR_MUST_CHECK;

/* Ends what it asks by itself; grading_is_idle says when that is done. */
void grading_stop(struct grading *g);
bool grading_is_idle(const struct grading *g);
void grading_done(struct grading *g);

/* Endpoint of this URL and path on g's transport, with the settings' key; freed by the caller. */
enum err_code grading_endpoint(struct grading *g, const struct settings_grader *config,
                               struct str url, struct str path, struct transport_endpoint **ret,
                               struct err *err) RBR_MUST_CHECK;

/* For maintain: starts requests; returns when it wants to be called again. */
int64_t grading_tick(struct grading *g);

/* For commands that somebody waits for: whether the grader has been down for 30 s. Then `ret` says
 * why and what to do. */
bool grading_is_hopeless(const struct grading *g, struct err *ret);

#endif
