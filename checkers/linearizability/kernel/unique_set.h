/* A set that only grows, is read whole, and to which each element is added once. O(n) in the length
   of the history and of the answers.

   Every order runs through larger and larger sets, so the sets that were read must contain each
   other, and from each to the next what is new was added in between. That forces the order into
   groups: additions, reads of one set, additions, reads of the next, and so on; what was never
   read comes last (or, if open, never). Within a group any order will do. So the history is legal
   if and only if no operation returned before one of an earlier group was called. */
#ifndef LIN_UNIQUE_SET_H
#define LIN_UNIQUE_SET_H

#include "unique.h"

typedef struct {
    int64_t size;
    int32_t value, operation;
} set_read;

typedef struct {
    unique *u;
    int32_t *adder, *group; /* per element: who adds it, and the first group of reads with it */
    set_read *reads;
    int32_t read_count;
    int32_t group_count;
    int32_t *group_of; /* per operation: 2 group + 1 if it reads, else 2 group; or -1 */
} set_check;

/* Numbers the elements and collects the reads. LIN_UNKNOWN if an element is added twice, if
   anything else than READ, ADD and INSERT is asked, or if nothing is read: then each element is
   decided on its own. */
static int32_t collect_set(set_check *c)
{
    unique *u = c->u;
    for (int32_t i = 0; i < u->count; i++) {
        const lin_operation *o = claim(u, i);
        if (o->function == LIN_READ) {
            const int64_t *start = u->problem->item_start + o->a;
            c->reads[c->read_count++] = (set_read){start[1] - start[0], o->a, i};
            continue;
        }
        if (o->function != LIN_ADD && o->function != LIN_INSERT) return LIN_UNKNOWN;
        int32_t before = u->value_count, k = number_value(u, o->a);
        if (k != before) return LIN_UNKNOWN;
        c->adder[k] = i;
        c->group[k] = INT32_MAX;
    }
    return c->read_count ? LIN_LEGAL : LIN_UNKNOWN;
}

static int by_size(const void *x, const void *y)
{
    const set_read *a = x, *b = y;
    if (a->size != b->size) return a->size < b->size ? -1 : 1;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return (a->operation > b->operation) - (a->operation < b->operation);
}

/* Groups the reads by what they saw, smallest first; so each must contain all that was seen before.
   Answers with one value are looked at once; two values may be one set in different orders. */
static int32_t group_reads(set_check *c)
{
    unique *u = c->u;
    int64_t seen = 0;
    for (int32_t j = 0; j < c->read_count; j++) {
        const set_read *r = &c->reads[j], *before = j ? r - 1 : NULL;
        if (!before || r->size > before->size) c->group_count++;
        c->group_of[r->operation] = 2 * c->group_count + 1;
        if (before && r->value == before->value) continue;
        int64_t old = 0, start = u->problem->item_start[r->value];
        for (int64_t e = start; e < start + r->size; e++) {
            int32_t k = find_value(u, u->problem->items[e]);
            if (k < 0) { /* nobody adds it */
                blame(u, r->operation);
                return LIN_ILLEGAL;
            }
            if (c->group[k] == INT32_MAX) c->group[k] = c->group_count;
            else old++;
        }
        if (old != seen) { /* something that an earlier answer has is missing */
            blame(u, r->operation);
            blame(u, before->operation);
            return LIN_ILLEGAL;
        }
        seen = r->size;
    }
    return LIN_LEGAL;
}

static void group_additions(set_check *c)
{
    for (int32_t k = 0; k < c->u->value_count; k++) {
        int32_t i = c->adder[k], group = c->group[k];
        if (group == INT32_MAX) group = is_open(c->u, i) ? -1 : c->group_count + 1;
        c->group_of[i] = group < 0 ? -1 : 2 * group;
    }
}

/* Goes through the groups, with the latest call of all groups before. */
static int32_t sweep_groups(set_check *c)
{
    unique *u = c->u;
    int32_t groups = 2 * c->group_count + 3;
    int32_t *start = arena_zeroed(u->arena, (int64_t)sizeof *start * (groups + 1));
    int32_t *sorted = arena_take(u->arena, (int64_t)sizeof *sorted * (u->count + 1));
    if (!start || !sorted) return LIN_UNKNOWN;
    for (int32_t i = 0; i < u->count; i++)
        if (c->group_of[i] >= 0) start[c->group_of[i] + 1]++;
    for (int32_t g = 0; g < groups; g++) start[g + 1] += start[g];
    int32_t kept = start[groups];
    for (int32_t i = 0; i < u->count; i++)
        if (c->group_of[i] >= 0) sorted[start[c->group_of[i]]++] = i;
    int32_t earlier = 0, culprit = -1, latest = -1;
    for (int32_t j = 0; j < kept; j++) {
        int32_t i = sorted[j];
        if (j && c->group_of[i] != c->group_of[sorted[j - 1]] && latest >= 0
            && u->first[latest] > earlier)
            earlier = u->first[latest], culprit = latest;
        if (u->last[i] < earlier) {
            blame(u, i);
            blame(u, culprit);
            u->whole = true; /* others say which group they are in */
            return LIN_ILLEGAL;
        }
        place(u, i, u->first[i] > earlier ? u->first[i] : earlier);
        if (latest < 0 || u->first[i] > u->first[latest]) latest = i;
    }
    return LIN_LEGAL;
}

static int32_t unique_set(unique *u)
{
    set_check c = {.u = u};
    int64_t bytes = (int64_t)sizeof(int32_t) * (u->count + 1);
    c.adder = arena_take(u->arena, bytes);
    c.group = arena_take(u->arena, bytes);
    c.group_of = arena_take(u->arena, bytes);
    c.reads = arena_take(u->arena, (int64_t)sizeof *c.reads * (u->count + 1));
    if (!c.adder || !c.group || !c.group_of || !c.reads) return LIN_UNKNOWN;
    if (collect_set(&c) != LIN_LEGAL || !load_gaps(u)) return LIN_UNKNOWN;
    qsort(c.reads, (size_t)c.read_count, sizeof *c.reads, by_size);
    if (group_reads(&c) != LIN_LEGAL) return LIN_ILLEGAL;
    group_additions(&c);
    return sweep_groups(&c);
}

#endif
