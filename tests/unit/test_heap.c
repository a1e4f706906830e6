/* base/heap: random pushes and removals against a sorted array. */
#include "unit.h"

#include "base/heap.h"
#include "base/rng.h"

enum { NODES = 300 };

static int by_due(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void agrees_with_a_sorted_array(void **state RBR_UNUSED)
{
    struct rng rng;
    struct heap h = {0};
    struct heap_node nodes[NODES] = {0};
    rng_init(&rng, unit_seed());
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[rng_below(&rng, NODES)];
        if (node->at == 0)
            heap_push(&h, node, (int64_t)rng_below(&rng, 100) - 50); /* many ties */
        else
            heap_remove(&h, node);
        int64_t sorted[NODES], earliest = INT64_MAX;
        size_t n = 0;
        for (size_t i = 0; i < NODES; i++)
            if (nodes[i].at != 0) {
                sorted[n++] = nodes[i].due_us;
                assert_ptr_equal(h.nodes[nodes[i].at - 1], &nodes[i]);
                earliest = nodes[i].due_us < earliest ? nodes[i].due_us : earliest;
            }
        assert_int_equal(h.n, n);
        if (n > 0)
            assert_int_equal(heap_first(&h)->due_us, earliest);
        if (step % 1000 != 999)
            continue;
        qsort(sorted, n, sizeof(sorted[0]), by_due);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(heap_first(&h)->due_us, sorted[i]);
            heap_remove(&h, heap_first(&h));
        }
        assert_null(heap_first(&h));
    }
    heap_done(&h);
}

static void removing_from_none_is_fine(void **state RBR_UNUSED)
{
    struct heap h = {0};
    struct heap_node node = {0};
    heap_remove(&h, &node);
    assert_null(heap_first(&h));
    heap_push(&h, &node, 1);
    heap_remove(&h, &node);
    heap_remove(&h, &node);
    assert_int_equal(h.n, 0);
    heap_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_sorted_array),
        cmocka_unit_test(removing_from_none_is_fine),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
