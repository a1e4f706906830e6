/* `exact` class probabilities: the first class that holds, as a reduced decision diagram. It is
 * built from the truth tables once, at load; a record then costs one pass over its nodes. */
#include "base/mem.h"
#include "policy/loader.h"

struct builder {
    const struct truth *truth;
    size_t n_classes;
    struct decision *nodes; /* children before parents; branch >= 0 is an index here */
    size_t n, cap;
    int32_t *table; /* open hash of nodes, -1 free */
    size_t table_size;
};

static int32_t first_class(const struct builder *b, size_t assignment)
{
    for (size_t c = 0; c < b->n_classes; c++)
        if (truth_bit(b->truth->classes[c], assignment))
            return -1 - (int32_t)c;
    return -(int32_t)b->n_classes; /* a gap: lint has refused the policy */
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ (x >> 29);
}

static size_t slot_of(const struct builder *b, const struct decision *d)
{
    uint64_t h = mix(mix((uint64_t)d->proposition ^ ((uint64_t)(uint32_t)d->when_false << 32)) ^
                     (uint64_t)(uint32_t)d->when_true);
    size_t i = h & (b->table_size - 1);
    while (b->table[i] >= 0) {
        const struct decision *other = &b->nodes[b->table[i]];
        if (other->proposition == d->proposition && other->when_false == d->when_false &&
            other->when_true == d->when_true)
            break;
        i = (i + 1) & (b->table_size - 1);
    }
    return i;
}

static void rehash(struct builder *b)
{
    mem_free(b->table);
    b->table_size = b->table_size > 0 ? b->table_size * 2 : 1024;
    b->table = mem_array(b->table_size, sizeof(int32_t));
    memset(b->table, 0xff, b->table_size * sizeof(int32_t));
    for (size_t i = 0; i < b->n; i++)
        b->table[slot_of(b, &b->nodes[i])] = (int32_t)i;
}

static int32_t node(struct builder *b, size_t proposition, int32_t when_false, int32_t when_true)
{
    if (when_false == when_true)
        return when_false;
    struct decision d = {proposition, when_false, when_true};
    size_t slot = slot_of(b, &d);
    if (b->table[slot] >= 0)
        return b->table[slot];
    mem_grow((void **)&b->nodes, &b->cap, b->n, sizeof(*b->nodes));
    b->nodes[b->n] = d;
    b->table[slot] = (int32_t)b->n++;
    if (b->n * 2 > b->table_size)
        rehash(b);
    return (int32_t)b->n - 1;
}

/* The diagram of all assignments whose variables above `level` are those of `prefix`; the highest
 * variable decides first. */
static int32_t build(struct builder *b, size_t level, size_t prefix)
{
    if (level == 0)
        return first_class(b, prefix);
    int32_t when_false = build(b, level - 1, prefix);
    int32_t when_true = build(b, level - 1, prefix | (size_t)1 << (level - 1));
    return node(b, b->truth->propositions[level - 1], when_false, when_true);
}

void diagram_build(struct loader *l, const struct truth *t, struct response_type *type)
{
    struct builder b = {.truth = t, .n_classes = l->policy->n_classes};
    rehash(&b);
    int32_t root = build(&b, t->n, 0);
    if (root < 0)
        type->only = (size_t)(-1 - root);
    type->n_decisions = root < 0 ? 0 : b.n;
    type->decisions = policy_array(l, type->n_decisions, sizeof(*type->decisions));
    /* Turned around, so that the root is first and a branch leads to a later node. */
    for (size_t i = 0; i < type->n_decisions; i++) {
        struct decision d = b.nodes[i];
        int32_t last = (int32_t)b.n - 1;
        d.when_false = d.when_false >= 0 ? last - d.when_false : d.when_false;
        d.when_true = d.when_true >= 0 ? last - d.when_true : d.when_true;
        type->decisions[(size_t)last - i] = d;
    }
    mem_free(b.nodes);
    mem_free(b.table);
}
