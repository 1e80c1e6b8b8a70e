/* Stacks of distinct values. O(n log n).

   The idea of removing values that do not matter is that of Lee, Mathur and others,
   "Efficient decrease-and-conquer linearizability monitoring" (OOPSLA 2025).

   Take a gap without cover, that is, one in which no item is surely on the stack. Any order can
   be changed so that the stack is empty there: an item that was on the stack either could be
   pushed later, or popped earlier, in that very gap; items that are popped earlier or pushed later
   uncover others sooner, and get into nobody's way.

   So an item whose push and whose pop can both be in gaps without cover can be taken away: the
   rest is legal if and only if all is. For given an order of the rest in which the stack is empty
   in those gaps, it is put below everything between the last such gap of its push and the first of
   its pop. Once it is away there may be more gaps without cover, and so on. In an order of what is
   left, the first push and the pop that brings the stack back to empty are both where nothing else
   is on the stack, thus in gaps without cover: so if no item can be taken away, there is no order.
   Empty pops go where there is no cover in the beginning.

   Gaps that lose their cover are found by a segment tree over gaps (add to a range, least value);
   pushes and pops that span such a gap by one over their beginnings (greatest end). */
#ifndef LIN_UNIQUE_STACK_H
#define LIN_UNIQUE_STACK_H

#include "unique_open.h"

enum { NO_COVER_EVER = INT32_MAX / 2 };

typedef struct {
    item_check *items;
    int32_t size;          /* leaves of both trees, a power of two */
    int32_t *least, *added; /* cover: least of a subtree, and what was added to all of it */
    int32_t *until;        /* greatest end of the pushes and pops that begin in a subtree */
    int32_t *owner;        /* per leaf of `until`: 2 * item, and 1 if it is a pop */
    uint8_t *ready;        /* per item: 1 push, 2 pop can be in a gap without cover */
    uint64_t *bare;        /* the gaps without cover that were found */
    int32_t *work;         /* items to take away */
    int32_t work_count;
} stack_check;

static void add_cover(stack_check *s, int32_t at, int32_t low, int32_t high, int32_t from,
                      int32_t to, int32_t change)
{
    if (from > high || to < low) return;
    if (from <= low && high <= to) {
        s->least[at] += change;
        s->added[at] += change;
        return;
    }
    int32_t middle = (low + high) / 2;
    add_cover(s, 2 * at, low, middle, from, to, change);
    add_cover(s, 2 * at + 1, middle + 1, high, from, to, change);
    int32_t a = s->least[2 * at], b = s->least[2 * at + 1];
    s->least[at] = (a < b ? a : b) + s->added[at];
}

static void change_cover(stack_check *s, const item *x, int32_t change)
{
    if (x->add_last + 1 < x->remove_first)
        add_cover(s, 1, 0, s->size - 1, x->add_last + 1, x->remove_first - 1, change);
}

/* Some gap without cover that was not found before, or -1; it counts as found from now on. */
static int32_t find_bare(stack_check *s)
{
    if (s->least[1] != 0) return -1;
    int32_t at = 1, low = 0, high = s->size - 1, above = 0;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        above += s->added[at];
        if (s->least[2 * at] + above == 0) at = 2 * at, high = middle;
        else at = 2 * at + 1, low = middle + 1;
    }
    add_cover(s, 1, 0, s->size - 1, low, low, NO_COVER_EVER);
    s->bare[low >> 6] |= (uint64_t)1 << (low & 63);
    return low;
}

static void set_until(stack_check *s, int32_t leaf, int32_t value)
{
    int32_t at = 2 * s->size + leaf;
    for (s->until[at] = value; at > 1; at /= 2) {
        int32_t a = s->until[at & ~1], b = s->until[at | 1];
        s->until[at / 2] = a > b ? a : b;
    }
}

/* A push or pop that can be in `gap` and was not found before: its leaf, or -1. */
static int32_t find_spanning(const stack_check *s, int32_t at, int32_t low, int32_t high,
                             int32_t gap)
{
    if (low > 2 * gap + 1 || s->until[at] < gap) return -1;
    if (low == high) return low;
    int32_t middle = (low + high) / 2;
    int32_t found = find_spanning(s, 2 * at, low, middle, gap);
    return found >= 0 ? found : find_spanning(s, 2 * at + 1, middle + 1, high, gap);
}

static void get_ready(stack_check *s, int32_t k, uint8_t end)
{
    s->ready[k] |= end;
    if (s->ready[k] == 3) s->work[s->work_count++] = k;
}

static void use_bare_gaps(stack_check *s)
{
    for (int32_t gap; (gap = find_bare(s)) >= 0;) {
        for (int32_t leaf; (leaf = find_spanning(s, 1, 0, 2 * s->size - 1, gap)) >= 0;) {
            set_until(s, leaf, -1);
            get_ready(s, s->owner[leaf] >> 1, s->owner[leaf] & 1 ? 2 : 1);
        }
    }
}

/* The last bare gap up to `gap`, or the first from it on; there is one. */
static int32_t bare_before(const stack_check *s, int32_t gap)
{
    int32_t w = gap >> 6;
    uint64_t word = s->bare[w] & (~(uint64_t)0 >> (63 - (gap & 63)));
    while (!word) word = s->bare[--w];
    int32_t bit = 63;
    while (!(word >> bit)) bit--;
    return w * 64 + bit;
}

static int32_t bare_after(const stack_check *s, int32_t gap)
{
    int32_t w = gap >> 6;
    uint64_t word = s->bare[w] & (~(uint64_t)0 << (gap & 63));
    while (!word) word = s->bare[++w];
    int32_t bit = 0;
    while (!(word >> bit & 1)) bit++;
    return w * 64 + bit;
}

static bool stack_arrays(stack_check *s)
{
    item_check *c = s->items;
    arena *a = c->u->arena;
    for (s->size = 1; s->size < c->u->end + 1;) s->size *= 2;
    int64_t words = (int64_t)sizeof(int32_t) * 2 * s->size;
    s->least = arena_zeroed(a, words);
    s->added = arena_zeroed(a, words);
    s->until = arena_take(a, 2 * words);
    s->owner = arena_take(a, words);
    s->ready = arena_zeroed(a, c->count + 1);
    s->bare = arena_zeroed(a, s->size / 8 + 8);
    s->work = arena_take(a, (int64_t)sizeof *s->work * (c->count + 1));
    return s->least && s->added && s->until && s->owner && s->ready && s->bare && s->work;
}

/* An event's gap g has two leaves: 2 g for a push called there, 2 g + 1 for a pop that was called
   there or can begin there because its push does. No two need the same one. What can be popped in
   the last gap is ready, for nothing is surely there then. */
static void load_spans(stack_check *s)
{
    item_check *c = s->items;
    memset(s->until, -1, sizeof *s->until * 4 * (size_t)s->size);
    for (int32_t k = 0; k < c->count; k++) {
        const item *x = &c->items[k];
        int32_t push = 2 * x->add_first, pop = 2 * x->remove_first + 1;
        s->until[2 * s->size + push] = x->add_last;
        s->owner[push] = 2 * k;
        if (x->remove_last == c->u->end) {
            s->ready[k] = 2;
        } else {
            s->until[2 * s->size + pop] = x->remove_last;
            s->owner[pop] = 2 * k + 1;
        }
        change_cover(s, x, +1);
    }
    for (int32_t g = c->u->end + 1; g < s->size; g++)
        add_cover(s, 1, 0, s->size - 1, g, g, NO_COVER_EVER); /* these are no gaps */
    for (int32_t at = 2 * s->size - 1; at > 0; at--) {
        int32_t left = s->until[2 * at], right = s->until[2 * at + 1];
        s->until[at] = left > right ? left : right;
    }
}

/* In one gap: pops, those taken away last first; empty pops; items that come and go at once;
   pushes, those taken away first first, as they are further down. */
static void place_stack(stack_check *s, const int32_t *gaps)
{
    item_check *c = s->items;
    for (int32_t i = s->work_count - 1; i >= 0; i--) {
        int32_t k = s->work[i];
        if (gaps[2 * k] < gaps[2 * k + 1]) place_removal(c, &c->items[k], gaps[2 * k + 1]);
    }
    place_empties(c);
    for (int32_t i = 0; i < s->work_count; i++) {
        int32_t k = s->work[i];
        if (gaps[2 * k] < gaps[2 * k + 1]) continue;
        place(c->u, c->items[k].add, gaps[2 * k + 1]);
        place_removal(c, &c->items[k], gaps[2 * k + 1]);
    }
    for (int32_t i = 0; i < s->work_count; i++) {
        int32_t k = s->work[i];
        if (gaps[2 * k] < gaps[2 * k + 1]) place(c->u, c->items[k].add, gaps[2 * k]);
    }
}

static int32_t decide_stack(item_check *c)
{
    stack_check s = {.items = c};
    int32_t *gaps = arena_take(c->u->arena, (int64_t)sizeof *gaps * 2 * (c->count + 1));
    if (!gaps || !stack_arrays(&s)) return LIN_UNKNOWN;
    load_spans(&s);
    use_bare_gaps(&s);
    for (int32_t i = 0; i < s.work_count; i++) {
        const item *x = &c->items[s.work[i]];
        gaps[2 * s.work[i]] = bare_before(&s, x->add_last);
        gaps[2 * s.work[i] + 1] = bare_after(&s, x->remove_first);
        change_cover(&s, x, -1);
        use_bare_gaps(&s);
    }
    if (s.work_count == c->count) {
        if (c->u->with_order && !c->lenient) place_stack(&s, gaps);
        return LIN_LEGAL;
    }
    c->u->whole = true;
    for (int32_t k = 0; k < c->count; k++) {
        if (s.ready[k] == 3) continue;
        blame(c->u, c->items[k].add);
        blame(c->u, c->items[k].remove);
    }
    return LIN_ILLEGAL;
}

/* It is surely pushed when b is there, and then it is above. */
static bool stack_hinders(const item *a, const item *b)
{
    return b->add_last < a->add_first && b->remove_first > a->add_last;
}

static int32_t unique_stack(unique *u)
{
    static const object stack = {decide_stack, stack_hinders};
    return check_items(u, &stack);
}

#endif
