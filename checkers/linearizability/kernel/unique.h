/* Histories in which no value is written twice: what the polynomial checkers share.

   Deciding linearizability is NP-complete only because it may be unclear which write a read saw.
   Where every value is written at most once there is no such doubt, and each kind of object has an
   algorithm that needs no search: see unique_register.h, unique_queue.h, unique_stack.h,
   unique_bag.h (also priority queues) and unique_set.h. All work on one key. Each answers legal,
   illegal with a witness, or unknown: then its conditions do not hold, and the search decides.

   Time is counted in gaps: gap g lies between event g and event g + 1 of the key. An operation may
   take effect in the gaps `first` (right after its call) to `last` (right before its return); both
   may coincide with those of other operations, for within a gap any order is allowed. An open
   operation ends with the last gap of all, which comes after every event. */
#ifndef LIN_UNIQUE_H
#define LIN_UNIQUE_H

#include "lin.h"
#include "memory.h"

typedef struct {
    int32_t operation, gap;
} placed;

typedef struct {
    const lin_problem *problem;
    arena *arena;                  /* per key */
    int32_t *local, *stamp, epoch; /* this key's numbers of values, where the stamp is `epoch` */
    const int32_t *members;        /* the problem's number of each operation of the key */
    const int32_t *events;
    int32_t count, event_count, value_count;
    int32_t end;                   /* the last gap, after all events */
    int32_t *first, *last;

    int32_t witness[LIN_WITNESS], witness_count;
    bool whole; /* the witness stands for more, or may need what comes after it: see `hint` */

    bool with_order;
    placed *placed; /* with_order: where operations take effect; equal gaps in this order */
    int64_t placed_count;
} unique;

static inline const lin_operation *claim(const unique *u, int32_t operation)
{
    return &u->problem->operations[u->members[operation]];
}

static inline bool is_open(const unique *u, int32_t operation)
{
    return claim(u, operation)->outcome == LIN_OPEN;
}

/* The key's number of a value, or -1 if the key has none yet. */
static inline int32_t find_value(const unique *u, int32_t value)
{
    return u->stamp[value] == u->epoch ? u->local[value] : -1;
}

/* The key's number of a value; a new one if it has none yet. */
static inline int32_t number_value(unique *u, int32_t value)
{
    if (u->stamp[value] != u->epoch) {
        u->stamp[value] = u->epoch;
        u->local[value] = u->value_count++;
    }
    return u->local[value];
}

/* Fills `first` and `last`, which most checks need only once they know that they apply. */
static bool load_gaps(unique *u)
{
    int64_t bytes = (int64_t)sizeof(int32_t) * u->count;
    u->first = arena_take(u->arena, bytes);
    u->last = arena_take(u->arena, bytes);
    if (u->with_order)
        u->placed = arena_take(u->arena, (int64_t)sizeof *u->placed * u->count);
    if (!u->first || !u->last || (u->with_order && !u->placed)) return false;
    for (int32_t i = 0; i < u->count; i++) u->last[i] = u->end;
    for (int32_t e = 0; e < u->event_count; e++) {
        if (u->events[e] & 1) u->last[u->events[e] >> 1] = e - 1;
        else u->first[u->events[e] >> 1] = e;
    }
    return true;
}

/* Adds an operation to the witness; -1 stands for none. */
static void blame(unique *u, int32_t operation)
{
    if (operation < 0) return;
    if (u->witness_count == LIN_WITNESS) {
        u->whole = true;
        return;
    }
    for (int32_t i = 0; i < u->witness_count; i++)
        if (u->witness[i] == u->members[operation]) return;
    u->witness[u->witness_count++] = u->members[operation];
    if (is_open(u, operation)) u->whole = true;
}

static inline void place(unique *u, int32_t operation, int32_t gap)
{
    if (u->with_order && operation >= 0) u->placed[u->placed_count++] = (placed){operation, gap};
}

/* The operation after whose return the key is surely illegal: the last of the witness to return,
   or of the key if the witness does not say it all. */
static int32_t hint(const unique *u)
{
    bool all = u->whole || !u->witness_count;
    int32_t last = u->event_count;
    while (--last > 0) {
        if (!(u->events[last] & 1)) continue;
        int32_t i = u->members[u->events[last] >> 1];
        for (int32_t w = 0; w < u->witness_count && !all; w++)
            if (u->witness[w] == i) return i;
        if (all) return i;
    }
    return -1;
}

/* Writes what was placed into `order`, by gaps, in the problem's numbers. False: no memory. */
static bool write_order(unique *u, int32_t *order)
{
    int32_t *start = arena_zeroed(u->arena, (int64_t)sizeof *start * ((int64_t)u->end + 2));
    if (!start) return false;
    for (int64_t i = 0; i < u->placed_count; i++) start[u->placed[i].gap + 1]++;
    for (int32_t g = 0; g <= u->end; g++) start[g + 1] += start[g];
    for (int64_t i = 0; i < u->placed_count; i++)
        order[start[u->placed[i].gap]++] = u->members[u->placed[i].operation];
    return true;
}

#endif
