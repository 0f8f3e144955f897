#include "tests/unit/model/world.h"

#include <stdarg.h>
#include <stdio.h>

enum { EPOCH_S = 1790000000 };

int64_t between(struct world *w, int64_t low, int64_t high)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15U);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return low + (int64_t)(z % (uint64_t)(high - low + 1));
}

bool chance(struct world *w, int percent)
{
    return between(w, 0, 99) < percent;
}

bool misfortune(struct world *w, int per_mille)
{
    return w->faults && between(w, 0, 999) < per_mille;
}

void trace(struct world *w, const char *fmt, ...)
{
    va_list args;

    if (!w->tracing)
        return;
    (void)fprintf(stderr, "%9.3f ", (double)(w->now_ms - EPOCH_S * 1000LL) / 1000);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

void violate(struct world *w, const char *fmt, ...)
{
    va_list args;

    if (w->violation[0])
        return;
    va_start(args, fmt);
    (void)vsnprintf(w->violation, sizeof w->violation, fmt, args);
    va_end(args);
    trace(w, "VIOLATION %s", w->violation);
}

void happen(struct world *w, int64_t in_ms, enum event_type type, int number, const char *id,
            cJSON *take_json)
{
    struct happening *e = &w->events[w->n_events];

    if (w->n_events == EVENTS_MAX) {
        violate(w, "too much happens at once");
        cJSON_Delete(take_json);
        return;
    }
    *e = (struct happening){.due_ms = w->now_ms + in_ms,
                            .seq = w->seq++,
                            .type = type,
                            .number = number,
                            .json = take_json};
    str_copy(e->id, sizeof e->id, id ? id : "");
    w->n_events++;
}

static bool is_due_for(const struct world *w, enum event_type type, const char *id)
{
    for (int i = 0; i < w->n_events; i++)
        if (w->events[i].type == type && str_eq(w->events[i].id, id))
            return true;
    return false;
}

void happen_once(struct world *w, int64_t in_ms, enum event_type type, const char *id)
{
    if (!is_due_for(w, type, id))
        happen(w, in_ms, type, 0, id, NULL);
}

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.random = seed * 0x2545f4914f6cdd1dU + 1, .now_ms = EPOCH_S * 1000LL};
    w->begun_ms = w->now_ms;
    w->objects = cJSON_CreateArray();
    w->streams = cJSON_CreateObject();
    w->specs = cJSON_CreateArray();
    w->journal = (struct snapshot){.objects = cJSON_CreateArray(),
                                   .observations = cJSON_CreateObject(),
                                   .commands = cJSON_CreateArray()};
}

void world_done(struct world *w)
{
    for (int i = 0; i < w->n_events; i++)
        cJSON_Delete(w->events[i].json);
    cJSON_Delete(w->cluster);
    cJSON_Delete(w->objects);
    cJSON_Delete(w->streams);
    cJSON_Delete(w->specs);
    snapshot_done(&w->journal);
}
