/* What is decided about a key before any search: by the polynomial checkers, or by counting. */
#ifndef LIN_UNIQUE_DISPATCH_H
#define LIN_UNIQUE_DISPATCH_H

#include "unique_bag.h"
#include "unique_queue.h"
#include "unique_register.h"
#include "unique_set.h"
#include "unique_stack.h"

/* The polynomial checker of the model. LIN_UNKNOWN if its conditions do not hold. */
static int32_t decide_unique(unique *u)
{
    switch (u->problem->model) {
    case LIN_REGISTER: return unique_register(u);
    case LIN_QUEUE: return unique_queue(u);
    case LIN_STACK: return unique_stack(u);
    case LIN_BAG: return unique_bag(u);
    case LIN_PRIORITY_QUEUE: return unique_priority_queue(u);
    case LIN_SET: return unique_set(u);
    default: return LIN_UNKNOWN;
    }
}

/* Values may repeat, but what nobody writes cannot be read. */
static int32_t check_written(unique *u)
{
    number_value(u, u->problem->initial);
    for (int32_t i = 0; i < u->count; i++) {
        const lin_operation *o = claim(u, i);
        if (o->function == LIN_WRITE) number_value(u, o->a);
        else if (o->function == LIN_UPDATE && o->outcome != LIN_REJECTED) number_value(u, o->b);
    }
    for (int32_t i = 0; i < u->count; i++) {
        const lin_operation *o = claim(u, i);
        bool needs = o->outcome == LIN_RETURNED && o->function != LIN_WRITE;
        if (!needs || find_value(u, o->a) >= 0) continue;
        blame(u, i);
        return LIN_ILLEGAL;
    }
    return LIN_UNKNOWN;
}

/* Nor can anything be removed more often than it is added. */
static int32_t check_added(unique *u)
{
    int32_t *left = arena_zeroed(u->arena, (int64_t)sizeof *left * (u->count + 1));
    if (!left) return LIN_UNKNOWN;
    u->whole = true;
    for (int32_t i = 0; i < u->count; i++)
        if (claim(u, i)->function == LIN_ADD) left[number_value(u, claim(u, i)->a)]++;
    for (int32_t i = 0; i < u->count; i++) {
        const lin_operation *o = claim(u, i);
        if (o->function != LIN_REMOVE || o->outcome == LIN_OPEN) continue;
        int32_t k = find_value(u, o->a);
        if (k >= 0 && left[k]-- > 0) continue;
        blame(u, i);
        return LIN_ILLEGAL;
    }
    return LIN_UNKNOWN;
}

static int32_t check_counts(unique *u)
{
    switch (u->problem->model) {
    case LIN_REGISTER: return check_written(u);
    case LIN_QUEUE:
    case LIN_STACK:
    case LIN_BAG:
    case LIN_PRIORITY_QUEUE: return check_added(u);
    default: return LIN_UNKNOWN;
    }
}

#endif
