/* FIFO queues of distinct values. O(n log n) with an order, O(n) without.

   Item a comes before item b if its addition ended before b's began, or its removal did. The
   queue is illegal if some a and b come before each other, or if an empty removal has no gap
   without cover (Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", 2013).

   And else it is legal. Let an empty removal be an item whose addition and removal are both in one
   bare gap; it comes before or after every other item and conflicts with none, just because the
   gap is bare. Both relations are interval orders: if a ends before b begins, and c before d, then
   a ends before d begins or c before b. So a circle of more than two items has a shorter one, and
   without a circle of two there is none. Take any order of the items that both relations agree
   with, and go through it: each addition in the earliest gap that is not before those of the items
   before, and likewise each removal. None comes too late, since a gap that it would have to wait
   for is the beginning of something that came before it. */
#ifndef LIN_UNIQUE_QUEUE_H
#define LIN_UNIQUE_QUEUE_H

#include "unique_open.h"

/* No two items come before each other: for b, look at the latest beginning of a removal among the
   items that were added before b. */
static int32_t check_pairs(item_check *c)
{
    unique *u = c->u;
    int32_t *latest = arena_take(u->arena, (int64_t)sizeof *latest * ((int64_t)u->end + 2));
    if (!latest) return LIN_UNKNOWN;
    memset(latest, -1, sizeof *latest * ((size_t)u->end + 2));
    for (int32_t k = 0; k < c->count; k++) {
        int32_t *at = &latest[c->items[k].add_last + 1]; /* counts from the next gap on */
        if (*at < 0 || c->items[k].remove_first > c->items[*at].remove_first) *at = k;
    }
    for (int32_t g = 1; g <= u->end; g++) {
        int32_t a = latest[g - 1], b = latest[g];
        if (b < 0 || (a >= 0 && c->items[a].remove_first > c->items[b].remove_first)) latest[g] = a;
    }
    for (int32_t k = 0; k < c->count; k++) {
        const item *b = &c->items[k];
        if (latest[b->add_first] < 0) continue;
        const item *a = &c->items[latest[b->add_first]];
        if (a->remove_first <= b->remove_last) continue;
        blame(u, a->add);
        blame(u, b->add);
        blame(u, b->remove);
        blame(u, a->remove);
        return LIN_ILLEGAL;
    }
    return LIN_LEGAL;
}

static int by_add_first(const void *x, const void *y)
{
    const item *a = x, *b = y;
    return (a->add_first > b->add_first) - (a->add_first < b->add_first);
}

static void sift_up(int32_t *heap, int32_t size, const item *items)
{
    for (int32_t i = size - 1; i > 0;) {
        int32_t parent = (i - 1) / 2, moved = heap[i];
        if (items[heap[parent]].remove_first <= items[moved].remove_first) return;
        heap[i] = heap[parent];
        heap[parent] = moved;
        i = parent;
    }
}

static void sift_down(int32_t *heap, int32_t size, const item *items)
{
    for (int32_t i = 0, child; (child = 2 * i + 1) < size; i = child) {
        int32_t moved = heap[i];
        if (child + 1 < size
            && items[heap[child + 1]].remove_first < items[heap[child]].remove_first)
            child++;
        if (items[moved].remove_first <= items[heap[child]].remove_first) return;
        heap[i] = heap[child];
        heap[child] = moved;
    }
}

/* Empty removals become items in a bare gap. */
static void add_empties_as_items(item_check *c)
{
    unique *u = c->u;
    for (int32_t i = 0; i < u->count; i++) {
        if (claim(u, i)->function != LIN_EMPTY) continue;
        int32_t g = c->bare[u->first[i]];
        c->items[c->count++] = (item){.add = -1, .remove = i, .add_first = g, .add_last = g,
                                      .remove_first = g, .remove_last = g};
    }
}

/* Numbers of the items, by the end of their addition (a counting sort). */
static int32_t *sort_by_end(item_check *c)
{
    int32_t *start = arena_zeroed(c->u->arena, (int64_t)sizeof *start * ((int64_t)c->u->end + 2));
    int32_t *sorted = arena_take(c->u->arena, (int64_t)sizeof *sorted * (c->count + 1));
    if (!start || !sorted) return NULL;
    for (int32_t k = 0; k < c->count; k++) start[c->items[k].add_last + 1]++;
    for (int32_t g = 0; g <= c->u->end; g++) start[g + 1] += start[g];
    for (int32_t k = 0; k < c->count; k++) sorted[start[c->items[k].add_last]++] = k;
    return sorted;
}

/* Takes the items one by one, always one that none of the rest comes before: its addition begins
   before any of theirs ended, and its removal likewise. Of those that satisfy the former, the one
   whose removal begins first satisfies the latter if any does. */
static bool order_queue(item_check *c)
{
    unique *u = c->u;
    add_empties_as_items(c);
    qsort(c->items, (size_t)c->count, sizeof *c->items, by_add_first);
    int32_t *added = sort_by_end(c);
    int32_t *heap = arena_take(u->arena, (int64_t)sizeof *heap * (c->count + 1));
    uint8_t *done = arena_zeroed(u->arena, c->count + 1);
    if (!added || !heap || !done) return false;
    int32_t size = 0, next = 0, a = 0, adding = 0, removing = 0;
    for (int32_t left = c->count; left; left--) {
        while (done[added[a]]) a++; /* to what is added first of those that are left */
        while (next < c->count && c->items[next].add_first <= c->items[added[a]].add_last) {
            heap[size++] = next++;
            sift_up(heap, size, c->items);
        }
        int32_t k = heap[0];
        heap[0] = heap[--size];
        sift_down(heap, size, c->items);
        done[k] = 1;
        const item *x = &c->items[k];
        if (x->add_first > adding) adding = x->add_first;
        if (adding > removing) removing = adding;
        if (x->remove_first > removing) removing = x->remove_first;
        place(u, x->add, adding);
        place_removal(c, x, removing);
    }
    return true;
}

static int32_t decide_queue(item_check *c)
{
    int32_t verdict = check_pairs(c);
    if (verdict != LIN_LEGAL || !c->u->with_order || c->lenient) return verdict;
    return order_queue(c) ? LIN_LEGAL : LIN_UNKNOWN;
}

/* It is surely before b. */
static bool queue_hinders(const item *a, const item *b)
{
    return a->add_last < b->add_first;
}

static int32_t unique_queue(unique *u)
{
    static const object queue = {decide_queue, queue_hinders};
    return check_items(u, &queue);
}

#endif
