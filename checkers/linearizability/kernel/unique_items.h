/* What queues, stacks, bags and priority queues have in common: items that come and go once.

   A value is an item: added once, removed at most once. Nothing else is decided here but what
   holds for all of them: a removal needs an addition, cannot return before that was called, and
   happens once. Then the intervals are narrowed: the addition must come before the removal, so it
   ends no later than that, and the removal begins no earlier than the addition.

   An item is surely there in the gaps between the end of its addition and the beginning of its
   removal. That is all that an order can be forced to: the cover of a gap is the number of items
   that are surely there.

   Open additions count if the item was removed; else they are left out, since an item that nobody
   removes only stands in the way. An item that nobody removed is removed in the last gap, as any
   history can be continued by emptying the object; an open removal of a certain value may be in
   any gap from its call on, and in the last one that means never. Open removals that took nobody
   knows what are the matter of unique_open.h. */
#ifndef LIN_UNIQUE_ITEMS_H
#define LIN_UNIQUE_ITEMS_H

#include "unique.h"

typedef struct {
    int32_t add, remove;            /* operations; `remove` may be -1 */
    int32_t add_first, add_last;    /* narrowed gaps */
    int32_t remove_first, remove_last;
    int64_t number;                 /* priority queue */
} item;

typedef struct {
    unique *u;
    item *items;
    int32_t count, empties;
    int32_t *tokens, token_count; /* open removals of no certain value, in the order of calls */
    bool lenient;                 /* see unique_open.h */
    int32_t *cover;               /* per gap */
    int32_t *bare;                /* per gap: it or the next one that has no cover */
} item_check;

static void add_item(item_check *c, int32_t i)
{
    unique *u = c->u;
    const lin_operation *o = claim(u, i);
    int32_t before = u->value_count, k = number_value(u, o->a);
    item *x = &c->items[k];
    if (k == before) {
        *x = (item){.add = -1, .remove = -1};
        if (u->problem->model == LIN_PRIORITY_QUEUE) x->number = u->problem->numbers[o->a];
    }
    if (o->function == LIN_ADD) {
        x->add = i;
    } else if (x->remove < 0 || is_open(u, x->remove)) {
        x->remove = i; /* an open one stands back behind one that returned */
    } else if (!is_open(u, i)) {
        blame(u, x->remove); /* removed twice */
        blame(u, i);
        blame(u, x->add);
    }
}

/* Every operation with its item. LIN_UNKNOWN if a value is added twice or somebody peeked. */
static int32_t collect_items(item_check *c)
{
    unique *u = c->u;
    c->items = arena_take(u->arena, (int64_t)sizeof *c->items * (u->count + 1));
    c->tokens = arena_take(u->arena, (int64_t)sizeof *c->tokens * (u->count + 1));
    if (!c->items || !c->tokens) return LIN_UNKNOWN;
    for (int32_t i = 0; i < u->count; i++) {
        const lin_operation *o = claim(u, i);
        if (o->function == LIN_PEEK) return LIN_UNKNOWN;
        if (o->function == LIN_EMPTY) {
            c->empties++;
        } else if (o->a < 0) {
            c->tokens[c->token_count++] = i;
        } else {
            int32_t k = find_value(u, o->a);
            if (o->function == LIN_ADD && k >= 0 && c->items[k].add >= 0) return LIN_UNKNOWN;
            add_item(c, i);
        }
    }
    return u->witness_count ? LIN_ILLEGAL : LIN_LEGAL;
}

/* Narrows the intervals, in `c->items`, and drops what does not count. */
static int32_t narrow_items(item_check *c)
{
    unique *u = c->u;
    int32_t kept = 0;
    for (int32_t k = 0; k < u->value_count; k++) {
        item *x = &c->items[k];
        bool removed = x->remove >= 0 && !is_open(u, x->remove);
        if (removed && (x->add < 0 || u->last[x->remove] < u->first[x->add])) {
            blame(u, x->remove);
            blame(u, x->add);
            return LIN_ILLEGAL;
        }
        if (!removed && (x->add < 0 || is_open(u, x->add))) continue;
        x->add_first = u->first[x->add];
        x->add_last = u->last[x->add];
        x->remove_first = x->remove_last = u->end;
        if (x->remove >= 0) {
            x->remove_first = u->first[x->remove];
            x->remove_last = u->last[x->remove];
        }
        if (!removed && c->lenient && u->first[c->tokens[0]] < x->remove_first)
            x->remove_first = u->first[c->tokens[0]];
        if (x->remove_first < x->add_first) x->remove_first = x->add_first;
        if (x->add_last > x->remove_last) x->add_last = x->remove_last;
        c->items[kept++] = *x;
    }
    c->count = kept;
    return LIN_LEGAL;
}

/* Fills `cover` and `bare`. */
static bool make_cover(item_check *c)
{
    int64_t bytes = (int64_t)sizeof(int32_t) * ((int64_t)c->u->end + 2);
    c->cover = arena_zeroed(c->u->arena, bytes);
    c->bare = arena_take(c->u->arena, bytes);
    if (!c->cover || !c->bare) return false;
    for (int32_t k = 0; k < c->count; k++) {
        const item *x = &c->items[k];
        if (x->add_last + 1 >= x->remove_first) continue;
        c->cover[x->add_last + 1]++;
        c->cover[x->remove_first]--;
    }
    for (int32_t g = 0; g < c->u->end; g++) c->cover[g + 1] += c->cover[g];
    c->bare[c->u->end] = c->u->end; /* nothing is surely there after the end */
    for (int32_t g = c->u->end - 1; g >= 0; g--) c->bare[g] = c->cover[g] ? c->bare[g + 1] : g;
    return true;
}

/* A removal that found nothing needs a gap without cover. That it is enough is argued for each
   object: where nothing is surely there, everything can be elsewhere. */
static int32_t check_empties(item_check *c)
{
    unique *u = c->u;
    for (int32_t i = 0; i < u->count && c->empties; i++) {
        if (claim(u, i)->function != LIN_EMPTY || c->bare[u->first[i]] <= u->last[i]) continue;
        blame(u, i);
        int32_t best = -1; /* the item that covers the beginning and stays longest */
        for (int32_t k = 0; k < c->count; k++) {
            const item *x = &c->items[k];
            if (x->add_last < u->first[i] && x->remove_first > u->first[i]
                && (best < 0 || x->remove_first > c->items[best].remove_first))
                best = k;
        }
        if (best >= 0) {
            blame(u, c->items[best].add);
            blame(u, c->items[best].remove);
        }
        return LIN_ILLEGAL;
    }
    return LIN_LEGAL;
}

static void place_empties(item_check *c)
{
    for (int32_t i = 0; i < c->u->count && c->empties; i++)
        if (claim(c->u, i)->function == LIN_EMPTY) place(c->u, i, c->bare[c->u->first[i]]);
}

/* The last gap stands for never. */
static inline void place_removal(item_check *c, const item *x, int32_t gap)
{
    if (gap < c->u->end) place(c->u, x->remove, gap);
}

#endif
