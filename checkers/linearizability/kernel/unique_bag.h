/* Bags (unordered queues) and priority queues of distinct values. O(n log n).

   Bag. Let every item be there only while it surely is: added at the end of its addition, removed
   at the beginning of its removal, or both at once if these overlap. Then an empty removal fits
   into any gap without cover. So an empty removal without such a gap is all that can be wrong.

   Priority queue: a removal takes the least item. Larger items never hinder the removal of a
   smaller one, so go from the least to the greatest. A removal of x needs a gap that is not covered
   by smaller items; take the first. That may be later than the earliest one possible, but in
   between smaller items are surely there: so the cover by x and all smaller ones is still just
   that by their sure gaps, and no choice made here takes a gap from anyone. Gaps that are covered
   once stay so; a union-find skips them. */
#ifndef LIN_UNIQUE_BAG_H
#define LIN_UNIQUE_BAG_H

#include "unique_open.h"

/* Where both ends of an item go when its removal is in `gap`. Within one gap, in this order: items
   that were there go, ascending; items come and go at once; empty removals; items come to stay. */
static void place_items(item_check *c, const int32_t *gap)
{
    unique *u = c->u;
    for (int32_t k = 0; k < c->count; k++)
        if (c->items[k].add_last < gap[k]) place_removal(c, &c->items[k], gap[k]);
    for (int32_t k = 0; k < c->count; k++) {
        if (c->items[k].add_last < gap[k]) continue;
        place(u, c->items[k].add, gap[k]);
        place_removal(c, &c->items[k], gap[k]);
    }
    place_empties(c);
    for (int32_t k = 0; k < c->count; k++)
        if (c->items[k].add_last < gap[k]) place(u, c->items[k].add, c->items[k].add_last);
}

static int32_t decide_bag(item_check *c)
{
    if (!c->u->with_order || c->lenient) return LIN_LEGAL;
    int32_t *gap = arena_take(c->u->arena, (int64_t)sizeof *gap * (c->count + 1));
    if (!gap) return LIN_UNKNOWN;
    for (int32_t k = 0; k < c->count; k++) gap[k] = c->items[k].remove_first;
    place_items(c, gap);
    return LIN_LEGAL;
}

/* Equal priorities in any order that is always the same. */
static int by_priority(const void *x, const void *y)
{
    const item *a = x, *b = y;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return (a->add > b->add) - (a->add < b->add);
}

/* The first gap from `gap` on that no smaller item covers. */
static int32_t find_free(int32_t *free_from, int32_t gap)
{
    int32_t root = gap;
    while (free_from[root] != root) root = free_from[root];
    while (free_from[gap] != root) {
        int32_t next = free_from[gap];
        free_from[gap] = root;
        gap = next;
    }
    return root;
}

/* Blames a removal, and the smaller item that was there when it began and stayed longest. */
static void blame_smaller(item_check *c, int32_t k)
{
    const item *x = &c->items[k], *worst = NULL;
    for (int32_t i = 0; i < k; i++) {
        const item *y = &c->items[i];
        if (y->add_last < x->remove_first && y->remove_first > x->remove_first
            && (!worst || y->remove_first > worst->remove_first))
            worst = y;
    }
    blame(c->u, x->add);
    blame(c->u, x->remove);
    if (!worst) return;
    blame(c->u, worst->add);
    blame(c->u, worst->remove);
}

/* From now on no gap in which the item is surely there is free. */
static void cover_gaps(const item *x, int32_t *free_from)
{
    if (x->add_last + 1 >= x->remove_first) return;
    int32_t g = find_free(free_from, x->add_last + 1);
    for (; g < x->remove_first; g = find_free(free_from, g)) free_from[g] = g + 1;
}

static int32_t decide_priority_queue(item_check *c)
{
    arena *a = c->u->arena;
    int32_t *free_from = arena_take(a, (int64_t)sizeof *free_from * ((int64_t)c->u->end + 2));
    int32_t *gap = arena_take(a, (int64_t)sizeof *gap * (c->count + 1));
    if (!free_from || !gap) return LIN_UNKNOWN;
    for (int32_t g = 0; g <= c->u->end + 1; g++) free_from[g] = g;
    qsort(c->items, (size_t)c->count, sizeof *c->items, by_priority);
    for (int32_t k = 0, covered = 0; k < c->count; k++) {
        const item *x = &c->items[k];
        while (c->items[covered].number < x->number) cover_gaps(&c->items[covered++], free_from);
        gap[k] = find_free(free_from, x->remove_first);
        if (gap[k] <= x->remove_last) continue;
        blame_smaller(c, k);
        return LIN_ILLEGAL;
    }
    if (c->u->with_order && !c->lenient) place_items(c, gap);
    return LIN_LEGAL;
}

/* It is surely there when b goes, unless it goes before, and is less. */
static bool priority_hinders(const item *a, const item *b)
{
    return a->number < b->number && b->remove_first > a->add_last;
}

static int32_t unique_bag(unique *u)
{
    static const object bag = {decide_bag, NULL};
    return check_items(u, &bag);
}

static int32_t unique_priority_queue(unique *u)
{
    static const object queue = {decide_priority_queue, priority_hinders};
    return check_items(u, &queue);
}

#endif
