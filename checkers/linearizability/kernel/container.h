/* What is in a container: queues, stacks, bags, priority queues, and sets that are read whole.

   A search changes it by one operation at a time and takes changes back in reverse order, so each
   change is undone from what it left: a queue keeps what was removed in front of its head.

   Two containers of a search are told apart by 128 bits: each thing in it adds two scattered words,
   for queues and stacks together with its place. Places count from the first addition on; orders
   of the same operations have removed equally often, so equal contents have equal places. What was
   said of fingerprints (cache.h) holds for these as well: a clash has a probability of 2^-128.

   Sets that are never read whole need none of this: each of their elements is a register that holds
   0 or 1 (see `load_element` in history.h). */
#ifndef LIN_CONTAINER_H
#define LIN_CONTAINER_H

#include "model.h"

typedef struct {
    int32_t model, value_count;
    const int32_t *ids; /* the problem's number of each value of the key */
    int32_t size;       /* how many things are there */
    int32_t *there;     /* and how many of each value */
    int32_t *places;    /* queue, stack: what is there, from `head` to `tail` */
    int32_t head, tail;
    int32_t *rank;      /* priority queue: of each value; equal priorities, equal rank */
    int32_t *at_rank;   /* how many things of a rank are there */
    int32_t *by_rank;   /* the values in the order of their ranks */
    int32_t *rank_start; /* and where those of a rank begin */
    int32_t rank_count;
    uint64_t *ranks, *rank_words; /* the ranks with something there; the words of `ranks` not 0 */
    int32_t *changed;   /* per operation: the value that it removed, or added to a set; or -1 */
    state *wanted;      /* set: per operation that reads all of it, what it saw */
} container;

typedef struct {
    int64_t number;
    int32_t value;
} ranked;

static int by_number(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

static bool load_ranks(container *c, arena *a, const int64_t *numbers)
{
    int64_t words = (c->value_count + 63) / 64 + 1, n = (int64_t)c->value_count + 1;
    ranked *sorted = arena_take(a, (int64_t)sizeof *sorted * n);
    c->rank = arena_take(a, (int64_t)sizeof *c->rank * n);
    c->at_rank = arena_zeroed(a, (int64_t)sizeof *c->at_rank * n);
    c->by_rank = arena_take(a, (int64_t)sizeof *c->by_rank * n);
    c->rank_start = arena_take(a, (int64_t)sizeof *c->rank_start * (n + 1));
    c->ranks = arena_zeroed(a, 8 * words);
    c->rank_words = arena_zeroed(a, 8 * (words / 64 + 1));
    if (!sorted || !c->rank || !c->at_rank || !c->by_rank || !c->rank_start || !c->ranks
        || !c->rank_words)
        return false;
    for (int32_t v = 0; v < c->value_count; v++) sorted[v] = (ranked){numbers[c->ids[v]], v};
    qsort(sorted, (size_t)c->value_count, sizeof *sorted, by_number);
    c->rank_count = 0;
    for (int32_t i = 0; i < c->value_count; i++) {
        if (!i || sorted[i].number != sorted[i - 1].number) c->rank_start[c->rank_count++] = i;
        c->rank[sorted[i].value] = c->rank_count - 1;
        c->by_rank[i] = sorted[i].value;
    }
    c->rank_start[c->rank_count] = c->value_count;
    return true;
}

/* Makes an empty container for a key with `count` operations and values `ids`. */
static bool container_load(container *c, arena *a, const lin_problem *problem, int32_t count,
                           const int32_t *ids, int32_t value_count)
{
    *c = (container){.model = problem->model, .ids = ids, .value_count = value_count};
    c->there = arena_zeroed(a, (int64_t)sizeof *c->there * ((int64_t)value_count + 1));
    c->changed = arena_take(a, (int64_t)sizeof *c->changed * ((int64_t)count + 1));
    if (!c->there || !c->changed) return false;
    if (c->model == LIN_QUEUE || c->model == LIN_STACK) {
        c->places = arena_take(a, (int64_t)sizeof *c->places * ((int64_t)count + 1));
        return c->places != NULL;
    }
    if (c->model == LIN_SET) {
        c->wanted = arena_take(a, (int64_t)sizeof *c->wanted * ((int64_t)count + 1));
        return c->wanted != NULL;
    }
    return c->model != LIN_PRIORITY_QUEUE || load_ranks(c, a, problem->numbers);
}

static inline int32_t lowest_bit(uint64_t word)
{
#ifdef __GNUC__
    return __builtin_ctzll(word);
#else
    int32_t bit = 0;
    while (!(word >> bit & 1)) bit++;
    return bit;
#endif
}

/* The least rank with something there; there is one. */
static inline int32_t least_rank(const container *c)
{
    int32_t i = 0;
    while (!c->rank_words[i]) i++;
    int32_t word = i * 64 + lowest_bit(c->rank_words[i]);
    return word * 64 + lowest_bit(c->ranks[word]);
}

/* Could a removal take `value` now? */
static inline bool can_take(const container *c, int32_t value)
{
    if (!c->there[value]) return false;
    switch (c->model) {
    case LIN_QUEUE: return c->places[c->head] == value;
    case LIN_STACK: return c->places[c->tail - 1] == value;
    case LIN_PRIORITY_QUEUE: return c->rank[value] == least_rank(c);
    default: return true;
    }
}

static inline void add_to_state(const container *c, state *s, int32_t value, int32_t place,
                                bool remove)
{
    uint64_t what = (uint64_t)(uint32_t)c->ids[value] << 32 | (uint32_t)place;
    uint64_t x = scatter(what), y = scatter(what ^ 0xa5a5a5a5a5a5a5a5u);
    s->x += remove ? 0 - x : x;
    s->y += remove ? 0 - y : y;
    s->length += remove ? -1 : 1;
}

static inline void count_rank(container *c, int32_t rank, int32_t change)
{
    int32_t word = rank >> 6;
    uint64_t bit = (uint64_t)1 << (rank & 63);
    c->at_rank[rank] += change;
    if (c->at_rank[rank]) c->ranks[word] |= bit;
    else c->ranks[word] &= ~bit;
    bit = (uint64_t)1 << (word & 63);
    if (c->ranks[word]) c->rank_words[word >> 6] |= bit;
    else c->rank_words[word >> 6] &= ~bit;
}

static inline void count_thing(container *c, int32_t value, int32_t change)
{
    c->size += change;
    c->there[value] += change;
    if (c->model == LIN_PRIORITY_QUEUE) count_rank(c, c->rank[value], change);
}

static inline void put_in(container *c, state *s, int32_t value)
{
    add_to_state(c, s, value, c->places ? c->tail : 0, false);
    if (c->places) c->places[c->tail++] = value;
    count_thing(c, value, +1);
}

static inline void take_out(container *c, state *s, int32_t value)
{
    int32_t place = 0;
    if (c->model == LIN_QUEUE) place = c->head++;
    else if (c->model == LIN_STACK) place = --c->tail;
    add_to_state(c, s, value, place, true);
    count_thing(c, value, -1);
}

/* Applies operation `number`; `choice` is what an open removal of no certain value takes. */
static bool container_step(container *c, const operation *o, int32_t number, int32_t choice,
                           state *s)
{
    int32_t value = o->a;
    switch (o->function) {
    case LIN_EMPTY: return !c->size;
    case LIN_PEEK: return can_take(c, value);
    case LIN_LACKS: return !c->there[value];
    case LIN_READ: return same_state(s, &c->wanted[number]);
    case LIN_INSERT:
    case LIN_ADD:
        c->changed[number] = -1;
        if (c->model == LIN_SET && c->there[value]) return o->function == LIN_ADD;
        c->changed[number] = value;
        put_in(c, s, value);
        return true;
    default:
        if (value < 0) value = choice;
        c->changed[number] = -1;
        if (value < 0 || !can_take(c, value)) return o->function == LIN_DISCARD;
        c->changed[number] = value;
        take_out(c, s, value);
        return true;
    }
}

/* Takes back what operation `number` did last of all; the caller restores the state. */
static void container_undo(container *c, const operation *o, int32_t number)
{
    int32_t value = c->changed[number];
    if (is_pure(o) || value < 0) return;
    bool added = o->function == LIN_ADD || o->function == LIN_INSERT;
    if (added) {
        if (c->places) c->tail--;
    } else if (c->model == LIN_QUEUE) {
        c->head--;
    } else if (c->model == LIN_STACK) {
        c->places[c->tail++] = value;
    }
    count_thing(c, value, added ? -1 : +1);
}

/* The values that an open removal may take now: `value` is the last one told, or -1 to begin. The
   next one, or -1 if there is none. */
static int32_t next_choice(const container *c, int32_t value)
{
    if (!c->size) return -1;
    if (c->model == LIN_QUEUE) return value < 0 ? c->places[c->head] : -1;
    if (c->model == LIN_STACK) return value < 0 ? c->places[c->tail - 1] : -1;
    if (c->model == LIN_PRIORITY_QUEUE) {
        int32_t rank = least_rank(c), i = c->rank_start[rank];
        if (value >= 0) {
            while (c->by_rank[i] != value) i++;
            i++;
        }
        for (; i < c->rank_start[rank + 1]; i++)
            if (c->there[c->by_rank[i]]) return c->by_rank[i];
        return -1;
    }
    for (value++; value < c->value_count; value++)
        if (c->there[value]) return value;
    return -1;
}

#endif
