/* Registers with read, write and compare-and-set, each value written once.

   After Gibbons and Korach, "Testing shared memories" (1997), who group a write and its reads into
   a cluster; extended here by compare-and-set, by open operations, and by compare-and-sets that
   saw another value. O(n).

   Which operations count. A determinate one does; so does, if open, the writer of a value that was
   seen, and the compare-and-set sources of such, and so on. An open one that is not needed so can
   be left out of any order: nobody saw its value, so nothing follows before the next write.

   Chains. A compare-and-set from a to b comes right after the last reader of a, so clusters that
   are linked form a chain that no other operation interrupts: write, its readers, compare-and-set,
   its readers, and so on. Two compare-and-sets from one value, a circle, or a value that nobody
   wrote are illegal. So is an operation that returned before one of an earlier group was called.
   Readers of one value go in the order of their calls.

   Zones. Let f be the first `last` and s the last `first` of a chain. If f < s the chain must be
   going on all the way from f to s (a forward zone): it begins at f at the latest and cannot end
   before s. Else all of it fits into any one gap from s to f (a backward zone). So forward zones
   that overlap are illegal, and so is a backward one within a forward one. If there is neither, go
   through all zones, forward by f and backward by s, and let each chain follow the one before:
   each operation in the earliest gap that is not before its own call, and not before the operation
   before. Every s before is less than the f of this chain, so none comes too late: legal. Placing
   them is the matter of unique_register.h. */
#ifndef LIN_UNIQUE_ZONES_H
#define LIN_UNIQUE_ZONES_H

#include "unique.h"

enum { NOBODY = -1, INITIALLY = -2 };

typedef struct {
    int32_t writer;          /* an operation, NOBODY or INITIALLY */
    int32_t successor;       /* the compare-and-set that replaces the value, or -1 */
    int32_t latest, earliest; /* the readers that were called last and returned first, or -1 */
    int32_t reader;          /* with_order: the first of its readers, or -1 */
    int32_t zone;            /* that of its chain */
    int32_t begin, leave;    /* in the order found: the gaps where the value comes and goes */
    int32_t delay;           /* the gap where it may come at the earliest */
    int32_t round;           /* when a remedy was last looked for */
    uint8_t counts, chained, prompt; /* prompt: must not be delayed */
} cluster; /* of operations that wrote or saw one value */

typedef struct {
    int32_t f, s, f_operation, s_operation, head;
    int32_t before, after; /* in the order, or -1 */
    int32_t end;           /* the gap of its last operation there */
    int32_t round;         /* when a remedy last touched it */
} zone;

typedef struct {
    unique *u;
    cluster *clusters;
    zone *zones;
    int32_t *next_reader; /* with_order */
    int32_t zone_count, rejected;
    int32_t front;              /* the zone that comes first, or -1 */
    int32_t *spare, spare_count; /* zones of open writes that nobody saw, by their calls */
    int32_t round;      /* how often the order was made */
    int32_t now, state; /* the gap of the last operation placed, and the cluster it leaves */
    bool late;          /* an operation was placed after its return */
} register_check;

static cluster *cluster_of(register_check *c, int32_t value)
{
    int32_t before = c->u->value_count, k = number_value(c->u, value);
    if (k == before)
        c->clusters[k] = (cluster){.writer = NOBODY, .successor = -1, .latest = -1, .earliest = -1,
                                   .reader = -1, .zone = -1};
    return &c->clusters[k];
}

/* A compare-and-set from a value to itself tells and does what a read does; open, nothing. */
static inline bool changes(const lin_operation *o)
{
    return o->function == LIN_WRITE
           || (o->function == LIN_UPDATE && o->outcome != LIN_REJECTED && o->a != o->b);
}

static inline bool only_reads(const lin_operation *o)
{
    return o->outcome == LIN_RETURNED && !changes(o);
}

/* Makes the clusters of all values that were written or compared with. LIN_UNKNOWN if a value has
   two writers, or without memory. */
static int32_t add_writers(register_check *c)
{
    unique *u = c->u;
    int64_t most = 1;
    for (int32_t i = 0; i < u->count; i++) most += claim(u, i)->function; /* an update brings two */
    c->clusters = arena_take(u->arena, most * (int64_t)sizeof *c->clusters);
    if (!c->clusters) return LIN_UNKNOWN;
    cluster_of(c, u->problem->initial)->writer = INITIALLY;
    for (int32_t i = 0; i < u->count; i++) {
        const lin_operation *o = claim(u, i);
        c->rejected += o->outcome == LIN_REJECTED;
        if (!changes(o)) continue;
        bool update = o->function == LIN_UPDATE;
        if (update) cluster_of(c, o->a);
        cluster *k = cluster_of(c, update ? o->b : o->a);
        if (k->writer != NOBODY) return LIN_UNKNOWN;
        k->writer = i;
        k->counts |= o->outcome != LIN_OPEN;
    }
    return LIN_LEGAL;
}

/* Adds the reads to the clusters; illegal if one saw what nobody wrote. */
static int32_t add_readers(register_check *c)
{
    unique *u = c->u;
    for (int32_t i = 0; i < u->count; i++) {
        const lin_operation *o = claim(u, i);
        if (!only_reads(o)) continue;
        int32_t number = find_value(u, o->a);
        cluster *k = number < 0 ? NULL : &c->clusters[number];
        if (!k || k->writer == NOBODY) {
            blame(u, i);
            return LIN_ILLEGAL;
        }
        k->counts = 1;
        if (k->latest < 0 || u->first[i] > u->first[k->latest]) k->latest = i;
        if (k->earliest < 0 || u->last[i] < u->last[k->earliest]) k->earliest = i;
    }
    return LIN_LEGAL;
}

static inline bool is_update(const unique *u, int32_t operation)
{
    return operation >= 0 && claim(u, operation)->function == LIN_UPDATE;
}

/* Blames an operation and, of its value, the writer. */
static void blame_with_writer(register_check *c, int32_t operation)
{
    if (operation < 0) return;
    blame(c->u, operation);
    const lin_operation *o = claim(c->u, operation);
    cluster *k = cluster_of(c, o->a);
    if (o->function != LIN_WRITE && k->writer >= 0) blame(c->u, k->writer);
}

static int32_t some_witness_of(const cluster *k)
{
    return k->earliest >= 0 ? k->earliest : k->writer;
}

/* Follows compare-and-sets back to what they needed. False: illegal. */
static bool link_clusters(register_check *c)
{
    unique *u = c->u;
    for (int32_t start = 0; start < u->value_count; start++) {
        if (!c->clusters[start].counts) continue;
        int32_t k = start;
        while (is_update(u, c->clusters[k].writer)) {
            int32_t w = c->clusters[k].writer, p = find_value(u, claim(u, w)->a);
            cluster *source = &c->clusters[p];
            if (source->successor == w) break;
            if (source->successor >= 0) {
                blame(u, source->successor);
                blame(u, w);
                blame(u, some_witness_of(&c->clusters[start]));
                blame(u, source->writer >= 0 ? source->writer : -1);
                cluster *other = cluster_of(c, claim(u, source->successor)->b);
                blame(u, some_witness_of(other));
                return false;
            }
            source->successor = w;
            source->counts = 1;
            k = p;
        }
        if (c->clusters[k].writer != NOBODY) continue;
        blame(u, some_witness_of(&c->clusters[start]));
        blame(u, c->clusters[k].successor);
        return false;
    }
    return true;
}

/* Takes `operation` into the zone; false if it returned before one of an earlier group began. */
static bool extend(register_check *c, zone *z, int32_t operation, int32_t earlier, int32_t culprit)
{
    const unique *u = c->u;
    if (operation < 0) return true;
    if (u->last[operation] < earlier) {
        blame_with_writer(c, operation);
        blame_with_writer(c, culprit);
        return false;
    }
    if (u->first[operation] > z->s) z->s = u->first[operation], z->s_operation = operation;
    if (u->last[operation] < z->f) z->f = u->last[operation], z->f_operation = operation;
    return true;
}

/* Walks the chain that begins with cluster `head`. False: illegal. */
static bool make_zone(register_check *c, int32_t head)
{
    zone *z = &c->zones[c->zone_count++];
    *z = (zone){.f = INT32_MAX, .s = -1, .f_operation = -1, .s_operation = -1, .head = head};
    if (c->clusters[head].writer == INITIALLY) z->f = -1;
    for (int32_t k = head;;) {
        cluster *here = &c->clusters[k];
        here->chained = 1;
        here->zone = c->zone_count - 1;
        if (here->writer >= 0 && !extend(c, z, here->writer, z->s, z->s_operation)) return false;
        /* readers of one value are one group, so both are held against what was before them */
        int32_t earlier = z->s, culprit = z->s_operation;
        if (!extend(c, z, here->earliest, earlier, culprit)) return false;
        if (!extend(c, z, here->latest, earlier, culprit)) return false;
        if (here->successor < 0) return true;
        k = find_value(c->u, claim(c->u, here->successor)->b);
    }
}

static bool make_zones(register_check *c)
{
    for (int32_t k = 0; k < c->u->value_count; k++)
        if (c->clusters[k].counts && !is_update(c->u, c->clusters[k].writer) && !make_zone(c, k))
            return false;
    for (int32_t k = 0; k < c->u->value_count; k++) {
        if (!c->clusters[k].counts || c->clusters[k].chained) continue;
        blame(c->u, c->clusters[k].writer); /* a circle of compare-and-sets */
        blame(c->u, some_witness_of(&c->clusters[k]));
        blame(c->u, c->clusters[k].successor);
        return false;
    }
    return true;
}

/* Finds two zones that exclude each other; else links all in their order. */
static int32_t sweep_zones(register_check *c)
{
    unique *u = c->u;
    int32_t slots = u->end + 2, *at = arena_take(u->arena, (int64_t)sizeof *at * slots);
    if (!at) return LIN_UNKNOWN;
    memset(at, -1, sizeof *at * (size_t)slots);
    for (int32_t i = 0; i < c->zone_count; i++) {
        const zone *z = &c->zones[i]; /* has an event of its own: f's return, or s's call */
        at[z->f < 0 ? 0 : z->f < z->s ? z->f + 2 : z->s + 1] = i;
    }
    int32_t forward = -1, last = c->front = -1;
    for (int32_t e = 0; e < slots; e++) {
        if (at[e] < 0) continue;
        zone *z = &c->zones[at[e]];
        const zone *open = forward < 0 ? NULL : &c->zones[forward];
        if (open && z->f < open->s) {
            blame_with_writer(c, open->f_operation);
            blame_with_writer(c, open->s_operation);
            blame_with_writer(c, z->f_operation);
            blame_with_writer(c, z->s_operation);
            return LIN_ILLEGAL;
        }
        if (z->f < z->s) forward = at[e];
        z->before = last;
        z->after = -1;
        if (last < 0) c->front = at[e];
        else c->zones[last].after = at[e];
        last = at[e];
    }
    return LIN_LEGAL;
}

#endif
