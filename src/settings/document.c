/* docs/settings.md, from the table. */
#include "settings/fields.h"

static const char opening[] =
    "# Settings\n"
    "\n"
    "<!-- Made from src/settings/fields.c by `rbr check --print-docs`; do not edit. -->\n"
    "\n"
    "One YAML file, `-c FILE` (default `config/worker.yaml`). `rbr check -c FILE` says everything "
    "that "
    "is wrong with it, one line\n"
    "each; `rbr check --dump` prints every setting with its value. `config/minimal.yaml` is the "
    "shortest file that works.\n"
    "\n"
    "- `--set KEY=VALUE` goes over the file: `--set kafka.group=test`, `--set graders.0.model=m`, "
    "`--set "
    "graders.NAME.model=m`,\n"
    "  `--set 'policy.files=[a.yaml, b.yaml]'`, `--set "
    "kafka.properties.consumer.max.poll.interval.ms=600000`.\n"
    "- `${NAME}` in a value is replaced by that environment variable; one that is not set is an "
    "error. `$${` stands for `${`.\n"
    "- A duration has a unit: `250ms`, `1.5s`, `2m`, `1h`, `1d`. So has a size: `64KiB`, `512MiB`, "
    "`4GiB`; "
    "`KB`, `MB`, `GB` are powers\n"
    "  of 1000.\n"
    "- A path is taken from the folder of the settings file, also in `--set`.\n"
    "- A line without a value (`instance_id:`) is as good as none.\n"
    "- Settings are read at the start; a change takes a restart.\n"
    "\n"
    "Secrets: an API key is read from a file that other users cannot open, or from the environment "
    "variable that `api_key_env`\n"
    "names. Passwords among the librdkafka properties come from the environment (`sasl.password: "
    "${KAFKA_PASSWORD}`), never from the\n"
    "command line; the dump does not show them.\n"
    "\n"
    "These properties are rbr's own and refused in `kafka.properties`: `bootstrap.servers`, "
    "`group.id`, "
    "`group.instance.id`,\n"
    "`transactional.id`, `auto.offset.reset`, `enable.auto.commit`, `enable.auto.offset.store`, "
    "`enable.idempotence`,\n"
    "`isolation.level`, `delivery.report.only.error`; and `partition.assignment.strategy: "
    "cooperative-sticky`.\n";

static void print_default(struct buf *out, const struct field *f)
{
    if (f->required != 0)
        (void)buf_append_z(out, "required");
    else if (f->initial != NULL && f->initial[0] != '\0')
        (void)buf_printf(out, "`%s`", f->initial);
    else
        (void)buf_append_z(out, "none");
}

static void print_range(struct buf *out, const struct field *f)
{
    if (f->words[0] != NULL) {
        for (size_t i = 0; i < FIELD_WORDS_MAX && f->words[i] != NULL; i++)
            (void)buf_printf(out, "%s`%s`", i > 0 ? ", " : "", f->words[i]);
    } else if (field_is_number(f->type)) {
        (void)buf_printf(out, "%s to %s", f->min, f->max);
    } else if (f->max != NULL) {
        (void)buf_printf(out, "%s to %s items", f->min, f->max);
    }
}

static void print_field(struct buf *out, const struct field *f)
{
    (void)buf_printf(out, "| `%s` | %s | ", f->path, field_type_name(f->type));
    print_default(out, f);
    (void)buf_append_z(out, " | ");
    print_range(out, f);
    (void)buf_printf(out, " | %s |\n", f->doc);
}

bool settings_document(struct buf *out)
{
    (void)buf_append_z(out, opening);
    for (size_t s = 0; s < n_field_sections; s++) {
        const struct field_section *section = &field_sections[s];
        (void)buf_printf(out,
                         "\n## %s\n%s\n\n| key | type | default | range | meaning |\n"
                         "|---|---|---|---|---|\n",
                         section->name, section->doc);
        for (size_t i = 0; i < n_fields; i++)
            if (str_eq(field_key_below(&fields[i], (struct str){0}), str_z(section->name)))
                print_field(out, &fields[i]);
    }
    return !out->failed;
}
