/* Any text as a manifest: one that holds together, or an error of one line, never both; what was
 * taken prints to what reads back the same. */
#include "../support/fuzz.h"

#include "replay/manifest.h"
#include "yaml/yaml.h"

const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses 4 KiB over some texts that it refuses. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static struct manifest *load(struct str text)
{
    struct manifest *m = NULL;
    struct err err = {0};
    enum err_code code = manifest_parse(STR("m.yaml"), text, &m, &err);
    require((code == ERR_OK) == (m != NULL));
    require(m != NULL || (err.code == code && err.msg[0] != '\0'));
    for (const char *p = err.msg; *p != '\0'; p++)
        require((unsigned char)*p >= ' ');
    return m;
}

static void is_whole(const struct manifest *m)
{
    require(m->id.n > 0 && m->policy_files.n > 0 && m->policy_hash.n == 64);
    require(!str_eq(m->input, m->output) && !str_eq(m->output, m->dead_letters));
    require(m->n_partitions > 0 && manifest_offsets(m) > 0);
    for (size_t i = 0; i < m->n_partitions; i++) {
        const struct manifest_partition *p = &m->partitions[i];
        require(p->start >= 0 && p->start < p->stop);
        require(i == 0 || p->partition > p[-1].partition);
        require((p->only.n > 0) == (m->failed_in.n > 0));
        require(p->only.n == 0 ||
                (!offset_set_has(&p->only, p->start - 1) && !offset_set_has(&p->only, p->stop)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {size > 0 ? (const char *)data : "", size};
    struct buf first, second;
    struct manifest *m = load(text);
    if (m == NULL)
        return 0;
    is_whole(m);
    buf_init(&first, YAML_FILE_MAX);
    buf_init(&second, YAML_FILE_MAX);
    bool fits = manifest_print(m, &first);
    manifest_free(m);
    if (fits) {
        m = load(buf_str(&first));
        require(m != NULL && manifest_print(m, &second));
        require(str_eq(buf_str(&first), buf_str(&second)));
        manifest_free(m);
    }
    buf_done(&first);
    buf_done(&second);
    return 0;
}
