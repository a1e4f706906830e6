#include "pipeline/partition.h"

#include "base/mem.h"

void partition_init(struct partition *part, const struct source_partition *from, size_t index,
                    size_t span, struct resume_report *ret)
{
    part->topic = mem_copy(from->topic.p, from->topic.n);
    part->number = from->partition;
    part->index = index;
    resume(&part->window, from, span, ret);
    part->committed = part->window.base;
    part->sent = -1;
}

void partition_done(struct partition *part)
{
    window_done(&part->window);
    mem_free(part->topic);
}

bool partition_offset(struct partition *part, size_t map_bytes, struct sink_offset *ret)
{
    struct ackmap map;
    int64_t watermark = window_watermark(&part->window);
    window_map(&part->window, watermark, &map);
    size_t n = ackmap_encode(&map, watermark, part->map);
    if (n > map_bytes && map.n > 0)
        return false;
    *ret = (struct sink_offset){.topic = str_z(part->topic),
                                .partition = part->number,
                                .offset = watermark,
                                .metadata = {part->map, n <= map_bytes ? n : 0}};
    part->sent = watermark;
    return true;
}

bool partition_has_passed(struct partition *part, struct source *source)
{
    if (!part->has_held)
        window_pass(&part->window, source->position(source, part->index));
    return part->window.base == part->window.end && part->window.base > part->committed;
}

void partition_commit(struct partition *part)
{
    window_commit(&part->window);
    if (part->sent >= 0)
        part->committed = part->sent;
}
