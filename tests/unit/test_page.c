/* report/page: what a page is made of, and that no text gets out of its place. */
#include "unit.h"

#include <math.h>

#include "report/page.h"

enum { PAGE_MAX = 1 << 20 };

static const struct page_column two[] = {{STR_INIT("name"), false}, {STR_INIT("n"), true}};

struct test {
    struct buf out;
    struct page page;
    size_t from; /* what was there before what is tested */
};

static void begin(struct test *t)
{
    buf_init(&t->out, PAGE_MAX);
    page_begin(&t->page, &t->out, "Title", "rbr test");
    t->from = t->out.n;
}

static struct str since(const struct test *t)
{
    return str_sub(buf_str(&t->out), t->from, t->out.n);
}

static void end(struct test *t)
{
    struct err err;
    assert_int_equal(page_end(&t->page, &err), ERR_OK);
    buf_done(&t->out);
}

static bool holds(const struct test *t, const char *text)
{
    return str_find(buf_str(&t->out), str_z(text), 0) != SIZE_MAX;
}

static void rows_of_a_table(void **state RBR_UNUSED)
{
    struct test t;
    begin(&t);
    page_table(&t.page, STR(""), two, ARRAY_LEN(two));
    page_cell(&t.page, STR("a"));
    page_count(&t.page, UINT64_MAX);
    page_blank(&t.page, 1);
    page_number(&t.page, 1.0 / 3);
    page_cell(&t.page, STR(""));
    page_change(&t.page, 2);
    page_count(&t.page, 0);
    page_number(&t.page, NAN);
    page_table_end(&t.page);
    assert_str(since(&t),
               "<div class=\"table\"><table>\n<thead><tr><th scope=\"col\">name</th>"
               "<th scope=\"col\" class=\"n\">n</th></tr></thead>\n<tbody>\n"
               "<tr><th scope=\"row\">a</th><td class=\"n\">18446744073709551615</td></tr>\n"
               "<tr><th scope=\"row\"></th>"
               "<td class=\"n\" title=\"0.3333333333333333\">0.3333</td></tr>\n"
               "<tr><th scope=\"row\">-</th><td class=\"n\" title=\"2\">+2.0000</td></tr>\n"
               "<tr><th scope=\"row\" class=\"n\">0</th><td class=\"n\">-</td></tr>\n"
               "</tbody>\n</table></div>\n");
    end(&t);
}

static void shares_and_bars(void **state RBR_UNUSED)
{
    static const struct {
        uint64_t n;
        double share;
        const char *want;
    } shares[] = {
        {0, 0, "s0\">0</td>"},
        {1, 0.0004, "s1\">1 <small>0.0 %</small></td>"},
        {5, 0.5, "s5\">5 <small>50.0 %</small></td>"},
        {9, 0.51, "s6\">9 <small>51.0 %</small></td>"},
        {3, 1, "s10\">3 <small>100.0 %</small></td>"},
    };
    struct test t;
    begin(&t);
    page_table(&t.page, STR(""), two, ARRAY_LEN(two));
    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        page_cell(&t.page, STR("row"));
        page_share(&t.page, shares[i].n, shares[i].share);
        assert_true(holds(&t, shares[i].want));
    }
    page_cell(&t.page, STR("down"));
    page_bar(&t.page, -0.25);
    assert_true(holds(&t, "<rect class=\"down\" x=\"-0.250\" y=\"-0.6\" width=\"0.250\""));
    page_cell(&t.page, STR("up"));
    page_bar(&t.page, 1);
    assert_true(holds(&t, "<rect class=\"up\" x=\"0.000\" y=\"-0.6\" width=\"1.000\""));
    page_table_end(&t.page);
    end(&t);
}

static void plots_are_tables(void **state RBR_UNUSED)
{
    static const struct page_plot plot = {PAGE_POINTS, "predicted", "seen", true};
    struct test t;
    begin(&t);
    page_plot(&t.page, STR("reliability"), &plot, two, ARRAY_LEN(two));
    page_number(&t.page, 0.5);
    page_number(&t.page, 0.25);
    page_table_end(&t.page);
    assert_str(since(&t),
               "<figure data-drawing=\"points\" data-x=\"predicted\" data-y=\"seen\" "
               "data-diagonal=\"\"><figcaption>reliability</figcaption>\n"
               "<details><summary>Numbers</summary>\n<div class=\"table\"><table>\n"
               "<thead><tr><th scope=\"col\">name</th><th scope=\"col\" class=\"n\">n</th></tr>"
               "</thead>\n<tbody>\n<tr><th scope=\"row\" class=\"n\" title=\"0.5\">0.5000</th>"
               "<td class=\"n\" title=\"0.25\">0.2500</td></tr>\n</tbody>\n</table></div>\n"
               "</details>\n</figure>\n");
    page_table(&t.page, STR(""), two, ARRAY_LEN(two));
    page_table_end(&t.page); /* this one is no plot */
    assert_false(holds(&t, "</table></div>\n</details>\n</figure>\n</details>"));
    end(&t);
}

static void texts_stay_in_their_place(void **state RBR_UNUSED)
{
    static const struct {
        struct str text, want;
    } cases[] = {
        {STR_INIT("</script><script>alert(1)//"),
         STR_INIT("&lt;/script&gt;&lt;script&gt;alert(1)//")},
        {STR_INIT("a&b \"c\" 'd'"), STR_INIT("a&amp;b &quot;c&quot; &#39;d&#39;")},
        {STR_INIT("a\0b\x1b[1m\x7f"), STR_INIT("a\ufffdb\ufffd[1m\ufffd")},
        {STR_INIT("\xff<\xc3"), STR_INIT("\ufffd&lt;\ufffd")},
        {STR_INIT("\xed\xa0\x80"), STR_INIT("\ufffd\ufffd\ufffd")}, /* a surrogate */
        {STR_INIT("\u00e9\u2028\U0001f600"), STR_INIT("\u00e9\u2028\U0001f600")},
        {STR_INIT("a\tb\nc"), STR_INIT("a\tb\nc")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct test t;
        begin(&t);
        page_table(&t.page, STR(""), two, ARRAY_LEN(two));
        t.from = t.out.n;
        page_cell(&t.page, cases[i].text);
        struct str got = since(&t), before = STR("<tr><th scope=\"row\">");
        assert_true(str_has_prefix(got, before));
        assert_strs(str_sub(got, before.n, got.n - strlen("</th>")), cases[i].want);
        page_blank(&t.page, 1);
        page_table_end(&t.page);
        end(&t);
    }
}

static void captions_headings_and_facts_are_escaped_too(void **state RBR_UNUSED)
{
    struct test t;
    const struct page_column columns[] = {{STR("<c>"), false}};
    const struct page_plot plot = {PAGE_LINES, "\"x", "y'", false};
    begin(&t);
    page_section(&t.page, "<h>");
    page_text(&t.page, "%s %d", "<t>", 5);
    page_facts(&t.page);
    page_fact(&t.page, "<f>", "<%d>", 7);
    page_facts_end(&t.page);
    page_table(&t.page, STR("<caption>"), columns, ARRAY_LEN(columns));
    page_table_end(&t.page);
    page_plot(&t.page, STR("<plot>"), &plot, columns, ARRAY_LEN(columns));
    page_table_end(&t.page);
    assert_str(since(&t),
               "<section>\n<h2>&lt;h&gt;</h2>\n<p>&lt;t&gt; 5</p>\n<dl class=\"facts\">\n"
               "<div><dt>&lt;f&gt;</dt><dd>&lt;7&gt;</dd></div>\n</dl>\n"
               "<h3>&lt;caption&gt;</h3>\n<div class=\"table\"><table>\n"
               "<thead><tr><th scope=\"col\">&lt;c&gt;</th></tr></thead>\n<tbody>\n"
               "</tbody>\n</table></div>\n"
               "<figure data-drawing=\"lines\" data-x=\"&quot;x\" data-y=\"y&#39;\">"
               "<figcaption>&lt;plot&gt;</figcaption>\n<details><summary>Numbers</summary>\n"
               "<div class=\"table\"><table>\n"
               "<thead><tr><th scope=\"col\">&lt;c&gt;</th></tr></thead>\n<tbody>\n"
               "</tbody>\n</table></div>\n</details>\n</figure>\n");
    end(&t);
}

static void sections_are_closed(void **state RBR_UNUSED)
{
    struct test t;
    begin(&t);
    page_section(&t.page, "one");
    page_section(&t.page, "two");
    assert_str(since(&t), "<section>\n<h2>one</h2>\n</section>\n<section>\n<h2>two</h2>\n");
    t.from = t.out.n;
    struct err err;
    assert_int_equal(page_end(&t.page, &err), ERR_OK);
    assert_true(str_has_prefix(since(&t), STR("</section>\n</main>\n<noscript>")));
    assert_true(holds(&t, "Copyright (c) 2022 Leon Sorokin")); /* as the licence wants */
    buf_done(&t.out);
}

static void a_page_that_does_not_fit_is_told(void **state RBR_UNUSED)
{
    struct buf out;
    struct page p;
    struct err err;
    buf_init(&out, 1000);
    page_begin(&p, &out, "Title", "rbr test");
    page_section(&p, "one");
    assert_int_equal(page_end(&p, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "the page is larger than 1000 bytes");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_table),
        cmocka_unit_test(shares_and_bars),
        cmocka_unit_test(plots_are_tables),
        cmocka_unit_test(texts_stay_in_their_place),
        cmocka_unit_test(captions_headings_and_facts_are_escaped_too),
        cmocka_unit_test(sections_are_closed),
        cmocka_unit_test(a_page_that_does_not_fit_is_told),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
