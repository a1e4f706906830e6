/* grader/neutralise: chat control tokens are broken up, everything else stays byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "grader/prompt.h"

#define ZW  "\xe2\x80\x8b"
#define BAR "\xef\xbd\x9c"

static void expect(struct str in, struct str out, size_t tokens)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(prompt_neutralise(&b, in), tokens);
    assert_int_equal(b.n, out.n);
    if (out.n > 0)
        assert_memory_equal(b.p, out.p, out.n);
    buf_done(&b);
}

static void control_tokens_are_broken(void **state RBR_UNUSED)
{
    static const char *const tokens[] = {
        "<|im_start|>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<|start_header_id|>",
        "<|reserved_special_token_7|>",
        "<|any name at all|>",
        "[INST]",
        "[/INST]",
        "[SYSTEM_PROMPT]",
        "[TOOL_CALLS]",
        "<s>",
        "</s>",
        "<<SYS>>",
        "<</SYS>>",
        "<bos>",
        "<eos>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_response>",
        "<" BAR "User" BAR ">",
        "<" BAR "end\xe2\x96\x81of\xe2\x96\x81sentence" BAR ">",
    };
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        char in[128], out[128];
        int n = snprintf(in, sizeof(in), "a%sb", tokens[i]);
        int m = snprintf(out, sizeof(out), "a%c" ZW "%sb", tokens[i][0], tokens[i] + 1);
        expect((struct str){in, (size_t)n}, (struct str){out, (size_t)m}, 1);
    }
}

static void other_text_stays(void **state RBR_UNUSED)
{
    static const struct str texts[] = {
        STR_INIT(""),
        STR_INIT("plain"),
        STR_INIT("a < b && c > d || e[0]"),
        STR_INIT("<||>"),
        STR_INIT("<|"),
        STR_INIT("<|im_end|"),
        STR_INIT("<|im_end"),
        STR_INIT("<|two\nlines|>"),
        STR_INIT("<|<nested>|>"),
        STR_INIT("[inst] <S> <thinking> [INST"),
        STR_INIT("<html><body>x</body></html>"),
        STR_INIT("NUL \0 <\0|im_end|>"),
        STR_INIT("{\"a\": [1, [2, [3]]]}"),
        STR_INIT("<|a name that is much longer than any control token of any chat template that is "
                 "known|>"),
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        expect(texts[i], texts[i], 0);
}

static void neighbours_and_nesting_are_each_found(void **state RBR_UNUSED)
{
    expect(STR("</s><s>"), STR("<" ZW "/s><" ZW "s>"), 2);
    expect(STR("<|<|im_end|>|>"), STR("<|<" ZW "|im_end|>|>"), 1);
    expect(STR("[[INST]]"), STR("[[" ZW "INST]]"), 1);
    expect(STR("<think>"), STR("<" ZW "think>"), 1);
    expect(STR("<" ZW "think>"), STR("<" ZW "think>"), 0); /* broken already */
}

/* A million of one bracket is read in one pass. */
static void a_megabyte_of_brackets_is_no_trouble(void **state RBR_UNUSED)
{
    enum { N = 1 << 20 };
    char *text = malloc(N);
    assert_non_null(text);
    memset(text, '<', N);
    struct buf b;
    buf_init(&b, (size_t)2 * N);
    assert_int_equal(prompt_neutralise(&b, (struct str){text, N}), 0);
    assert_int_equal(b.n, N);
    for (size_t i = 0; i < N; i += 64)
        text[i] = '[';
    buf_reset(&b);
    assert_int_equal(prompt_neutralise(&b, (struct str){text, N}), 0);
    buf_done(&b);
    free(text);
}

/* From pieces of tokens: nothing is left that would be found again, and without the breakers the
 * text is what it was. */
static void random_text_is_clean_and_restorable(void **state RBR_UNUSED)
{
    static const char *const pieces[] = {
        "<",       "|", ">",  "im_end",   "[",  "]",   "INST", "/", "s", "think", "<|im_start|>",
        "[/INST]", " ", "\n", "\xc3\xa4", "<<", "SYS", ">>"};
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_init(&rng, seed);
    for (int run = 0; run < 20000; run++) {
        struct buf in, out, again;
        buf_init(&in, 1 << 16);
        buf_init(&out, 1 << 16);
        buf_init(&again, 1 << 16);
        for (uint64_t k = rng_below(&rng, 24); k > 0; k--)
            (void)buf_append_z(&in, pieces[rng_below(&rng, ARRAY_LEN(pieces))]);
        size_t found = prompt_neutralise(&out, buf_str(&in));
        assert_int_equal(out.n, in.n + 3 * found);
        assert_int_equal(prompt_neutralise(&again, buf_str(&out)), 0);
        buf_reset(&again);
        for (size_t at = 0; at < out.n;) {
            bool breaker = out.n - at >= 3 && memcmp(out.p + at, ZW, 3) == 0;
            if (!breaker)
                (void)buf_append(&again, out.p + at, 1);
            at += breaker ? 3 : 1;
        }
        assert_true(str_eq(buf_str(&again), buf_str(&in)));
        buf_done(&in);
        buf_done(&out);
        buf_done(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_tokens_are_broken),
        cmocka_unit_test(other_text_stays),
        cmocka_unit_test(neighbours_and_nesting_are_each_found),
        cmocka_unit_test(a_megabyte_of_brackets_is_no_trouble),
        cmocka_unit_test(random_text_is_clean_and_restorable),
    };
    return cmocka_run_group_tests_name("neutralise", tests, NULL, NULL);
}
