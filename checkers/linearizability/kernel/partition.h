/* The operations and events of a problem, part by part. A part is what is decided on its own: a
   key, or an element of a set that is never read whole. (Then the elements of a set are objects of
   their own; together they are linearizable if each is, as for keys.) */
#ifndef LIN_PARTITION_H
#define LIN_PARTITION_H

#include "search.h"

typedef struct {
    int32_t count;
    int32_t *operation_start, *event_start; /* count + 1 each */
    int32_t *members;                       /* operations, in call order within a part */
    int32_t *events;                        /* with an operation's place in its part */
    int32_t *part_of;                       /* per operation; NULL if its key is its part */
    uint8_t *decided;
    int64_t bytes, part_bytes;
    void *block;
} partition;

static bool valid_value(const lin_problem *p, int32_t value)
{
    return value >= 0 && value < p->value_count;
}

static bool valid_operation(const lin_problem *p, const lin_operation *o)
{
    bool open = o->outcome == LIN_OPEN, anything = open && o->function == LIN_REMOVE && o->a == -1;
    if (o->key < 0 || o->key >= p->key_count || o->outcome > LIN_OPEN
        || o->function >= LIN_FUNCTIONS || !(functions_of(p->model, open) >> o->function & 1)
        || !(valid_value(p, o->a) || anything))
        return false;
    bool update = o->function == LIN_UPDATE;
    if (o->outcome == LIN_REJECTED && !(update && p->model == LIN_REGISTER)) return false;
    if (update && p->model == LIN_COUNTER) return o->b == -1 || (!open && valid_value(p, o->b));
    return !(update && p->model == LIN_REGISTER) || valid_value(p, o->b);
}

/* The elements of the sets that are read. */
static bool valid_items(const lin_problem *p)
{
    if (p->model != LIN_SET) return true;
    if (p->item_start[0]) return false;
    for (int32_t v = 0; v < p->value_count; v++)
        if (p->item_start[v] > p->item_start[v + 1]) return false;
    for (int64_t i = 0; i < p->item_start[p->value_count]; i++)
        if (!valid_value(p, p->items[i])) return false;
    return true;
}

/* Calls are numbered in their order; each is followed by one return, or by none if it is open.
   `seen` is scratch, a byte an operation. */
static bool valid(const lin_problem *p, uint8_t *seen)
{
    int32_t calls = 0, returned = 0, open = 0;
    if (p->model < 0 || p->model >= LIN_MODELS || !valid_value(p, p->initial) || !valid_items(p))
        return false;
    for (int32_t i = 0; i < p->operation_count; i++) {
        if (!valid_operation(p, &p->operations[i])) return false;
        open += p->operations[i].outcome == LIN_OPEN;
        seen[i] = 0;
    }
    for (int32_t e = 0; e < p->event_count; e++) {
        int32_t event = p->events[e], i = event >> 1;
        if (event < 0 || i >= p->operation_count) return false;
        if (event & 1) {
            if (seen[i]++ != 1 || p->operations[i].outcome == LIN_OPEN) return false;
            returned++;
        } else if (seen[i]++ || i != calls++) {
            return false;
        }
    }
    return calls == p->operation_count && returned + open == calls;
}

typedef struct {
    int32_t key, element, operation;
} located;

static int by_element(const void *x, const void *y)
{
    const located *a = x, *b = y;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    if (a->element != b->element) return a->element < b->element ? -1 : 1;
    return (a->operation > b->operation) - (a->operation < b->operation);
}

/* Numbers the parts of sets in `part_of`, those of a key one after another. */
static bool split_sets(search *s, partition *parts)
{
    const lin_problem *p = s->problem;
    int64_t n = p->operation_count;
    parts->count = p->key_count;
    if (p->model != LIN_SET || !n) return true;
    parts->part_bytes = (int64_t)sizeof *parts->part_of * n;
    parts->part_of = memory_take(&s->memory, parts->part_bytes);
    located *all = memory_take(&s->memory, (int64_t)sizeof *all * n);
    uint8_t *whole = memory_take(&s->memory, p->key_count);
    bool enough = parts->part_of && all && whole;
    if (enough) {
        memset(whole, 0, (size_t)p->key_count);
        for (int32_t i = 0; i < n; i++)
            whole[p->operations[i].key] |= p->operations[i].function == LIN_READ;
        for (int32_t i = 0; i < n; i++) {
            const lin_operation *o = &p->operations[i];
            all[i] = (located){o->key, whole[o->key] ? -1 : o->a, i};
        }
        qsort(all, (size_t)n, sizeof *all, by_element);
        int32_t part = 0;
        for (int32_t i = 0; i < n; i++) {
            part += i && (all[i].key != all[i - 1].key || all[i].element != all[i - 1].element);
            parts->part_of[all[i].operation] = part;
        }
        parts->count = part + 1;
    }
    memory_give(&s->memory, all, (int64_t)sizeof *all * n);
    memory_give(&s->memory, whole, p->key_count);
    return enough || out_of_memory(s);
}

static inline int32_t part_of(const lin_problem *p, const partition *parts, int32_t operation)
{
    return parts->part_of ? parts->part_of[operation] : p->operations[operation].key;
}

/* Turns counts (at the places part + 1) into starts, by adding up. */
static void add_up(int32_t *starts, int32_t count)
{
    for (int32_t k = 0; k < count; k++) starts[k + 1] += starts[k];
}

/* A counting sort of operations and events by part, stable. `next` is scratch, one word a part. */
static void fill_partition(const lin_problem *p, partition *parts, int32_t *place, int32_t *next)
{
    size_t bytes = sizeof *next * (size_t)parts->count;
    if (parts->count == 1) { /* they are sorted */
        parts->operation_start[1] = p->operation_count;
        parts->event_start[1] = p->event_count;
        for (int32_t i = 0; i < p->operation_count; i++) parts->members[i] = i;
        memcpy(parts->events, p->events, sizeof *p->events * (size_t)p->event_count);
        return;
    }
    for (int32_t i = 0; i < p->operation_count; i++)
        parts->operation_start[part_of(p, parts, i) + 1]++;
    for (int32_t e = 0; e < p->event_count; e++)
        parts->event_start[part_of(p, parts, p->events[e] >> 1) + 1]++;
    add_up(parts->operation_start, parts->count);
    add_up(parts->event_start, parts->count);
    memcpy(next, parts->operation_start, bytes);
    for (int32_t i = 0; i < p->operation_count; i++) {
        int32_t part = part_of(p, parts, i);
        place[i] = next[part] - parts->operation_start[part];
        parts->members[next[part]++] = i;
    }
    memcpy(next, parts->event_start, bytes);
    for (int32_t e = 0; e < p->event_count; e++) {
        int32_t i = p->events[e] >> 1;
        parts->events[next[part_of(p, parts, i)]++] = place[i] * 2 + (p->events[e] & 1);
    }
}

static bool make_partition(search *s, partition *parts)
{
    const lin_problem *p = s->problem;
    int64_t n = p->operation_count;
    if (p->key_count < 0 || n < 0 || p->event_count < 0) return false;
    uint8_t *seen = memory_take(&s->memory, n);
    if (!seen) return out_of_memory(s);
    bool good = valid(p, seen);
    memory_give(&s->memory, seen, n);
    if (!good) {
        s->reason = LIN_MALFORMED;
        return false;
    }
    if (!split_sets(s, parts)) return false;
    int64_t count = (int64_t)parts->count + 2, starts = 3 * count * 4;
    parts->bytes = starts + n * 4 + n * 4 + (int64_t)p->event_count * 4 + count;
    char *block = parts->block = memory_take(&s->memory, parts->bytes);
    if (!block) return out_of_memory(s);
    memset(block, 0, (size_t)starts);
    parts->operation_start = (int32_t *)block;
    parts->event_start = parts->operation_start + count;
    int32_t *next = parts->event_start + count;
    parts->members = next + count;
    int32_t *place = parts->members + n;
    parts->events = place + n;
    parts->decided = (uint8_t *)(parts->events + p->event_count);
    memset(parts->decided, 0, (size_t)count);
    fill_partition(p, parts, place, next);
    return true;
}

static void free_partition(search *s, partition *parts)
{
    memory_give(&s->memory, parts->block, parts->bytes);
    memory_give(&s->memory, parts->part_of, parts->part_bytes);
}

typedef struct {
    int32_t key, moment, place, operation;
} moved;

static int by_moment(const void *x, const void *y)
{
    const moved *a = x, *b = y;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    if (a->moment != b->moment) return a->moment < b->moment ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* Merges the orders of the elements of each set. Each operation can take effect right after the
   latest call of those up to it in its part; by these moments, the order of each part and that of
   real time are both kept. */
static bool merge_orders(search *s, const partition *parts, int32_t *order)
{
    const lin_problem *p = s->problem;
    int64_t n = p->operation_count, bytes = (int64_t)sizeof(moved) * n;
    if (!parts->part_of) return true;
    int32_t *call = memory_take(&s->memory, (int64_t)sizeof *call * n), *key_start = NULL;
    moved *all = memory_take(&s->memory, bytes);
    int64_t key_bytes = (int64_t)sizeof *key_start * ((int64_t)p->key_count + 1);
    key_start = memory_take(&s->memory, key_bytes);
    bool enough = call && all && key_start;
    if (enough) {
        int32_t kept = 0;
        memset(key_start, 0, (size_t)key_bytes);
        for (int32_t e = 0; e < p->event_count; e++)
            if (!(p->events[e] & 1)) call[p->events[e] >> 1] = e;
        for (int32_t i = 0; i < n; i++) key_start[p->operations[i].key + 1]++;
        add_up(key_start, p->key_count);
        for (int32_t part = 0, now = 0; part < parts->count; part++, now = 0) {
            const int32_t *start = parts->operation_start + part;
            for (int32_t j = start[0]; j < start[1]; j++) {
                if (order[j] < 0) continue;
                if (call[order[j]] > now) now = call[order[j]];
                all[kept++] = (moved){p->operations[order[j]].key, now, j, order[j]};
            }
        }
        qsort(all, (size_t)kept, sizeof *all, by_moment);
        for (int32_t j = 0; j < n; j++) order[j] = -1;
        for (int32_t j = 0; j < kept; j++) order[key_start[all[j].key]++] = all[j].operation;
    }
    memory_give(&s->memory, call, (int64_t)sizeof *call * n);
    memory_give(&s->memory, all, bytes);
    memory_give(&s->memory, key_start, key_bytes);
    return enough || out_of_memory(s);
}

#endif
