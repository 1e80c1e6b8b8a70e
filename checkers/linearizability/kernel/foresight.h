/* Configurations of containers and counters that lead nowhere; and what need not be tried at all.

   What comes before the first return's operation r stands in the window (prune.h). */
#ifndef LIN_FORESIGHT_H
#define LIN_FORESIGHT_H

#include "open.h"

enum { FORESIGHT_RETURNS = 12 };

/* How many operations of the window add to or remove from a container. */
typedef struct {
    int32_t adders, removers;
    bool adds, removes, removes_any; /* one adds a certain value; removes it; removes any */
} supply;

static supply supply_of(const search *s, int32_t limit, int32_t value)
{
    supply found = {0};
    for (int32_t p = s->nodes[0].next; p != limit; p = s->nodes[p].next) {
        const operation *o = &s->operations[s->nodes[p].operation];
        bool adds = o->function == LIN_ADD || o->function == LIN_INSERT;
        bool removes = o->function == LIN_REMOVE || o->function == LIN_DISCARD;
        found.adders += adds;
        found.removers += removes;
        found.adds |= adds && o->a == value;
        found.removes |= removes && o->a == value;
        found.removes_any |= removes && o->a < 0;
    }
    return found;
}

/* Can the window remove so many things, among them each of these, which are `count`? */
static bool can_go(const search *s, int32_t limit, const supply *all, const int32_t *values,
                   int32_t count)
{
    if (count > all->removers) return false;
    for (int32_t i = 0; i < count && !all->removes_any; i++)
        if (!supply_of(s, limit, values[i]).removes) return false;
    return true;
}

/* Can things of a lesser priority than `value` go? */
static bool lesser_can_go(const search *s, const supply *all, int32_t value)
{
    const container *c = &s->contents;
    int32_t lesser = 0;
    for (int32_t rank = c->size ? least_rank(c) : c->rank_count;
         rank < c->rank[value] && lesser <= all->removers; rank++)
        lesser += c->at_rank[rank];
    return lesser <= all->removers;
}

static bool may_come_first(const search *s, int32_t limit, const supply *all, int32_t value)
{
    const container *c = &s->contents;
    if (!c->there[value] && !all->adds) return false;
    switch (c->model) {
    case LIN_QUEUE: { /* everything before it must go */
        int32_t place = c->head;
        while (place < c->tail && c->places[place] != value && place - c->head <= all->removers)
            place++;
        return can_go(s, limit, all, c->places + c->head, place - c->head);
    }
    case LIN_STACK: { /* everything above it must go, unless it can be added anew */
        if (all->adds) return true;
        int32_t place = c->tail;
        while (place > 0 && c->places[place - 1] != value && c->tail - place <= all->removers)
            place--;
        return can_go(s, limit, all, c->places + place, c->tail - place);
    }
    case LIN_PRIORITY_QUEUE: return lesser_can_go(s, all, value);
    default: return true;
    }
}

/* Rule LIN_BLOCKED, for containers. The first return's operation r needs that things are there that
   only the window can add, or are not there that only the window can remove, one by one. */
static bool contents_are_blocked(const search *s, int32_t limit)
{
    const container *c = &s->contents;
    if (s->nodes[limit].operation < 0 || limit == s->target) return false;
    int32_t number = s->nodes[limit].operation;
    const operation *r = &s->operations[number];
    if (r->function == LIN_ADD || r->function == LIN_DISCARD) return false;
    supply all = supply_of(s, limit, r->a);
    switch (r->function) {
    case LIN_EMPTY: return c->size > all.removers;
    case LIN_LACKS: return c->there[r->a] && !all.removes;
    case LIN_INSERT: return c->there[r->a] && !all.removes;
    case LIN_READ: {
        int64_t missing = c->wanted[number].length - c->size;
        return missing > all.adders || -missing > all.removers;
    }
    default: /* r itself is in the window, and is not what removes what is before it */
        if (r->function == LIN_REMOVE) all.removers--;
        return !may_come_first(s, limit, &all, r->a);
    }
}

static inline int64_t capped(int64_t number)
{
    const int64_t most = (int64_t)1 << 40;
    return number > most ? most : number < -most ? -most : number;
}

/* Rule LIN_LOOKAHEAD, for counters. Before a remaining operation that tells the sum there can only
   be additions that stand before its return in the list, so the sum is the present one plus that
   of some of them: at least all that are negative, at most all that are positive. */
static bool sum_is_impossible(search *s, int32_t first)
{
    const int64_t *numbers = s->problem->numbers, now = (int64_t)s->state.x;
    int64_t least = 0, most = 0;
    if (now != capped(now)) return false; /* nor can small numbers overflow */
    int32_t left = FORESIGHT_RETURNS;
    for (int32_t p = s->nodes[0].next; left && p != s->tail; p = s->nodes[p].next) {
        const operation *o = &s->operations[s->nodes[p].operation];
        int64_t number = numbers[o->a];
        if (!s->nodes[p].is_return) {
            if (o->function == LIN_WRITE || number != capped(number)) return false;
            if (o->function == LIN_UPDATE) *(number < 0 ? &least : &most) += number;
            continue;
        }
        left--;
        if (p == s->target) return false;
        int64_t change = 0, told = number;
        if (o->function == LIN_UPDATE) {
            if (o->b < 0) continue;
            change = number;
            told = numbers[o->b];
        }
        int64_t low = now + least + (change > 0 ? change : 0);
        int64_t high = now + most + (change < 0 ? change : 0);
        if (told >= low && told <= high) continue;
        if (p != first) s->looked_ahead = true;
        return true;
    }
    return false;
}

/* Open additions of what nobody ever saw can be left out (rule LIN_LAZY_OPEN): if an order contains
   one, and an open removal that takes the thing, leave out both; what is left explains as much,
   since a thing that is not there is in nobody's way. In a bag where no removal was in vain, that
   goes for open removals as well. */
static bool drop_unseen_items(search *s)
{
    uint8_t *seen = arena_zeroed(&s->arena, s->value_count + 1);
    if (!seen) return out_of_memory(s);
    bool in_vain = false;
    for (int32_t i = 0; i < s->count; i++) {
        const operation *o = &s->operations[i];
        in_vain |= o->function == LIN_EMPTY;
        if ((o->function == LIN_REMOVE && o->a >= 0) || o->function == LIN_PEEK) seen[o->a] = 1;
        if (s->model != LIN_SET || o->function != LIN_READ) continue;
        const int64_t *start = s->problem->item_start + s->problem->operations[s->members[i]].a;
        for (int64_t j = start[0]; j < start[1]; j++) {
            int32_t item = s->problem->items[j];
            if (s->value_stamp[item] == s->stamp) seen[s->value_local[item]] = 1;
        }
    }
    for (int32_t i = 0; i < s->count; i++) {
        const operation *o = &s->operations[i];
        if (o->outcome != LIN_OPEN) continue;
        bool drop = o->function == LIN_ADD ? !seen[o->a]
                                           : takes_any(o) && s->model == LIN_BAG && !in_vain;
        if (drop) unlink_node(s->nodes, o->call);
    }
    return true;
}

#endif
