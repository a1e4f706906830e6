#include "report/page.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/num.h"
#include "base/sha256.h"
#include "base/utf8.h"

enum { TEXT_MAX = 4096, SHADES = 10 };

/* What the build embeds. */
#define EMBEDDED(name)                                                                             \
    extern const unsigned char name[];                                                             \
    extern const size_t name##_len;
EMBEDDED(embed_page_css)
EMBEDDED(embed_page_js)
EMBEDDED(embed_uplot_css)
EMBEDDED(embed_uplot_js)
EMBEDDED(embed_uplot_license)
#define EMBEDDED_STR(name) ((struct str){(const char *)(name), name##_len})

static const char unknown[] = "\ufffd";

static void put(struct page *p, const char *html)
{
    (void)buf_append_z(p->out, html);
}

/* ---- text -------------------------------------------------------------------------------------
 */

/* NULL: as it is. */
static const char *replacement(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\t':
        return NULL;
    default:
        return c < ' ' || c == 0x7f ? unknown : NULL;
    }
}

/* For the inside of an element or of a quoted attribute. */
static void put_text(struct page *p, struct str s)
{
    size_t good = utf8_valid_prefix(s);
    for (size_t at = 0; at < s.n;) {
        size_t run = at;
        while (run < good && replacement((unsigned char)s.p[run]) == NULL)
            run++;
        (void)buf_append(p->out, s.p + at, run - at);
        if (run == s.n)
            break;
        put(p, run < good ? replacement((unsigned char)s.p[run]) : unknown);
        at = run + 1;
        if (at > good)
            good = at + utf8_valid_prefix(str_sub(s, at, s.n));
    }
}

static void put_z(struct page *p, const char *z)
{
    put_text(p, str_z(z));
}

/* ---- the page ---------------------------------------------------------------------------------
 */

struct piece {
    const unsigned char *p;
    const size_t *n;
};

/* uPlot's licence asks to be in each copy. */
static const unsigned char comment[] = "/*! uPlot: ", comment_end[] = "*/\n";
static const size_t comment_len = sizeof(comment) - 1, comment_end_len = sizeof(comment_end) - 1;

static const struct piece style[] = {
    {embed_uplot_css, &embed_uplot_css_len},
    {embed_page_css, &embed_page_css_len},
};
static const struct piece script[] = {
    {comment, &comment_len},
    {embed_uplot_license, &embed_uplot_license_len},
    {comment_end, &comment_end_len},
    {embed_uplot_js, &embed_uplot_js_len},
    {embed_page_js, &embed_page_js_len},
};

static struct str str_of(const struct piece *piece)
{
    return (struct str){(const char *)piece->p, *piece->n};
}

static void put_pieces(struct page *p, const struct piece *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)buf_append_str(p->out, str_of(&pieces[i]));
}

/* What the content policy allows: the element with just this text. */
static void put_source(struct page *p, const struct piece *pieces, size_t n)
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES];
    char text[BASE64_CHARS(SHA256_BYTES) + 1];
    sha256_init(&h);
    for (size_t i = 0; i < n; i++)
        sha256_raw(&h, str_of(&pieces[i]));
    sha256_finish(&h, digest);
    sha256_done(&h);
    (void)base64_encode(digest, sizeof(digest), text);
    (void)buf_printf(p->out, "'sha256-%s'", text);
}

void page_begin(struct page *p, struct buf *out, const char *title, const char *program)
{
    *p = (struct page){.out = out};
    put(p, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
           "base-uri 'none'; form-action 'none'; img-src data:; style-src ");
    put_source(p, style, ARRAY_LEN(style));
    put(p, "; script-src ");
    put_source(p, script, ARRAY_LEN(script));
    put(p, "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<link rel=\"icon\" href=\"data:,\">\n<title>");
    put_z(p, title);
    put(p, "</title>\n<style>");
    put_pieces(p, style, ARRAY_LEN(style));
    put(p, "</style>\n</head>\n<body>\n<header>\n<h1>");
    put_z(p, title);
    put(p, "</h1>\n<p>");
    put_z(p, program);
    put(p, ", version " RBR_VERSION "</p>\n</header>\n<main>\n");
}

enum err_code page_end(struct page *p, struct err *err)
{
    if (p->in_section)
        put(p, "</section>\n");
    put(p, "</main>\n<noscript><footer>Plots need JavaScript; their numbers are in the tables."
           "</footer></noscript>\n<script>");
    put_pieces(p, script, ARRAY_LEN(script));
    put(p, "</script>\n</body>\n</html>\n");
    if (p->out->failed)
        return err_set(err, ERR_LIMIT, "the page is larger than %zu bytes", p->out->max);
    return ERR_OK;
}

static void RBR_PRINTF(2, 0) put_formatted(struct page *p, const char *fmt, va_list args)
{
    char text[TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    put_z(p, text);
}

void page_section(struct page *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put(p, p->in_section ? "</section>\n<section>\n<h2>" : "<section>\n<h2>");
    put_formatted(p, fmt, args);
    put(p, "</h2>\n");
    va_end(args);
    p->in_section = true;
}

void page_text(struct page *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put(p, "<p>");
    put_formatted(p, fmt, args);
    put(p, "</p>\n");
    va_end(args);
}

void page_facts(struct page *p)
{
    put(p, "<dl class=\"facts\">\n");
}

void page_fact(struct page *p, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put(p, "<div><dt>");
    put_z(p, name);
    put(p, "</dt><dd>");
    put_formatted(p, fmt, args);
    put(p, "</dd></div>\n");
    va_end(args);
}

void page_facts_end(struct page *p)
{
    put(p, "</dl>\n");
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static void put_head(struct page *p, const struct page_column *columns, size_t n)
{
    put(p, "<thead><tr>");
    for (size_t i = 0; i < n; i++) {
        put(p, columns[i].number ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">");
        put_text(p, columns[i].name);
        put(p, "</th>");
    }
    put(p, "</tr></thead>\n<tbody>\n");
    p->n_columns = n;
    p->at = 0;
}

void page_table(struct page *p, struct str caption, const struct page_column *columns, size_t n)
{
    if (caption.n > 0) {
        put(p, "<h3>");
        put_text(p, caption);
        put(p, "</h3>\n");
    }
    put(p, "<div class=\"table\"><table>\n");
    put_head(p, columns, n);
}

void page_plot(struct page *p, struct str caption, const struct page_plot *plot,
               const struct page_column *columns, size_t n)
{
    static const char *const drawings[] = {
        [PAGE_LINES] = "lines", [PAGE_POINTS] = "points", [PAGE_BINS] = "bins"};
    (void)buf_printf(p->out, "<figure data-drawing=\"%s\" data-x=\"", drawings[plot->drawing]);
    put_z(p, plot->x);
    put(p, "\" data-y=\"");
    put_z(p, plot->y);
    put(p, plot->diagonal ? "\" data-diagonal=\"\"><figcaption>" : "\"><figcaption>");
    put_text(p, caption);
    put(p, "</figcaption>\n<details><summary>Numbers</summary>\n<div class=\"table\"><table>\n");
    put_head(p, columns, n);
    p->is_plot = true;
}

void page_table_end(struct page *p)
{
    assert(p->at == 0);
    put(p, "</tbody>\n</table></div>\n");
    if (p->is_plot)
        put(p, "</details>\n</figure>\n");
    p->is_plot = false;
}

/* Begins a cell; `attributes` begin with a space. */
static void open_cell(struct page *p, const char *attributes)
{
    if (p->at == 0)
        put(p, "<tr>");
    (void)buf_printf(p->out, p->at == 0 ? "<th scope=\"row\"%s" : "<td%s", attributes);
}

static void close_cell(struct page *p)
{
    put(p, p->at == 0 ? "</th>" : "</td>");
    p->at = (p->at + 1) % p->n_columns;
    if (p->at == 0)
        put(p, "</tr>\n");
}

void page_cell(struct page *p, struct str s)
{
    open_cell(p, ">");
    put_text(p, s.n > 0 ? s : STR("-"));
    close_cell(p);
}

void page_blank(struct page *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        open_cell(p, ">");
        close_cell(p);
    }
}

void page_count(struct page *p, uint64_t n)
{
    open_cell(p, " class=\"n\">");
    (void)buf_printf(p->out, "%" PRIu64, n);
    close_cell(p);
}

static void put_number(struct page *p, double v, bool sign)
{
    char exact[32];
    exact[num_print_f64(v, exact)] = '\0';
    open_cell(p, " class=\"n\"");
    if (!isnan(v))
        (void)buf_printf(p->out, sign ? " title=\"%s\">%+.4f" : " title=\"%s\">%.4f", exact, v);
    else
        put(p, ">-");
    close_cell(p);
}

void page_number(struct page *p, double v)
{
    put_number(p, v, false);
}

void page_change(struct page *p, double v)
{
    put_number(p, v, true);
}

void page_share(struct page *p, uint64_t n, double share)
{
    int shade = share > 0 ? (int)ceil(share * SHADES) : 0;
    open_cell(p, " class=\"n s");
    (void)buf_printf(p->out, "%d\">%" PRIu64, shade < SHADES ? shade : SHADES, n);
    if (n > 0)
        (void)buf_printf(p->out, " <small>%.1f %%</small>", 100 * share);
    close_cell(p);
}

void page_bar(struct page *p, double v)
{
    open_cell(p, " class=\"bar\">");
    (void)buf_printf(p->out,
                     "<svg viewBox=\"-1 -1 2 2\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
                     "<line x1=\"0\" x2=\"0\" y1=\"-1\" y2=\"1\"/><rect class=\"%s\" x=\"%.3f\" "
                     "y=\"-0.6\" width=\"%.3f\" height=\"1.2\"/></svg>",
                     v < 0 ? "down" : "up", fmin(v, 0), fabs(v));
    close_cell(p);
}
