/* One key's history as the search sees it, and all that the search carries about.

   Calls and returns are nodes of a doubly linked list in the order of real time (Wing and Gong
   1993; the list is Lowe's, "Testing for linearizability", 2017). An operation that the order so
   far contains is lifted: its nodes are unlinked, and unlinked in such a way that they know where
   to go when the search backs up. What is callable next is what stands before the first return.

   Open operations have no return node: the search is over when no return is left. */
#ifndef LIN_HISTORY_H
#define LIN_HISTORY_H

#include "container.h"

typedef struct {
    int32_t next, previous, operation;
    int32_t is_return;
} node;

typedef struct {
    uint64_t k1, k2; /* fingerprint of a configuration */
    uint32_t epoch;  /* the slot is free unless this is the search's epoch */
    uint32_t record; /* where in the pool more is stored, or 0 */
} slot;

typedef struct {
    state before;     /* the state that the move to this frame's configuration left */
    int64_t mark;     /* and the length of the trail then */
    int64_t first, next, end; /* its candidates, and the one to try next */
    int32_t chain;    /* open operations in a row that nothing has needed so far, see open.h */
    int32_t first_return;
} frame;

/* Open operations of a register that do the same; see open.h. */
typedef struct {
    int32_t function, source, target;
    int32_t start, end;  /* its members, in the order of their calls */
    int32_t used;        /* how many of them the order so far contains */
    int32_t next_update; /* next class of compare-and-set with the same target, or -1 */
} open_class;

typedef struct {
    const lin_problem *problem;
    const lin_options *options;
    uint32_t rules;
    memory memory;
    arena arena; /* per key; everything down to `texts` lives there */

    int32_t model; /* that of the key: an element of a set is a register */
    int32_t count, node_count;
    operation *operations;
    const int32_t *members; /* the problem's number of each operation */
    node *nodes;
    int32_t remaining; /* returns that are still in the list */
    int32_t tail;
    uint64_t *bits; /* without fingerprints: the set of lifted operations */
    int64_t bit_words;

    int32_t twin_count;
    int64_t *twin_seen, *twin_place; /* per twin: when it was last a candidate, and where */

    bool lazy; /* open operations are kept in classes instead of in the list */
    bool relaxed;
    open_class *classes;
    int32_t class_count, *class_members;
    int32_t *write_class, *update_class; /* per value: classes that lead to it, or -1 */
    int32_t *need;       /* per value: remaining operations that need it as the state */
    uint8_t *is_source;  /* per value: an open compare-and-set starts from it */
    int64_t *value_mark, *class_mark;
    int32_t *value_queue;
    int32_t rejected; /* remaining LIN_REJECTED operations */
    int64_t overdrawn; /* relaxed: uses beyond what there is */
    uint64_t open_hash;

    container contents; /* containers only */
    int32_t unlimited;  /* containers: open removals of no certain value that remain */
    text_value *texts;  /* per call, per value; NULL without texts */
    uint64_t *prefixes;
    int32_t *value_local, *value_stamp; /* this key's numbers of the values, see `local_value` */
    int32_t *value_ids;                 /* and back; containers only */
    int32_t stamp, value_count;

    state state, initial;
    uint64_t zobrist_1, zobrist_2;
    int64_t tick; /* numbers moments, for marks that need no clearing */

    /* vectors: they keep their capacity from key to key */
    int64_t *trail, trail_count, trail_capacity; /* operations; ~(2 class + overdrawn) if open */
    int32_t *open_stack; /* the classes on the trail */
    int64_t open_lifts, open_capacity;
    frame *frames;
    int64_t frame_count, frame_capacity;
    int32_t *candidates; /* operations, or ~class; see `choice_of` */
    int64_t candidate_count, candidate_capacity;
    slot *slots;
    int64_t slot_capacity, slot_used;
    uint32_t epoch;
    uint64_t *pool;
    int64_t pool_count, pool_capacity;

    int32_t furthest; /* the furthest first return that was reached */
    bool looked_ahead; /* something was pruned for a return beyond the first */
    int32_t reason;
    int64_t configurations, configurations_before, budget, polls; /* before: of earlier keys */
    int64_t looks; /* at nodes and count vectors, see `work_done` */

    /* lin_frontier only: stop before `target`'s return and collect the states there */
    int32_t target;
    state *found;
    int64_t found_count, found_capacity;
    int32_t *recipes, *ends;
    int64_t recipe_capacity;
} search;

/* What the budget bounds. With texts a configuration takes as long as the future is that it is
   compared with, and with many open operations as long as the list of counts is that may cover it:
   up to forty times as long as otherwise. So what is looked at counts as well, as much as takes the
   time of an ordinary configuration for one. */
enum { LOOKS_OF_A_CONFIGURATION = 64 };

static inline int64_t work_done(const search *s)
{
    return s->configurations + s->looks / LOOKS_OF_A_CONFIGURATION;
}

static inline bool out_of_memory(search *s)
{
    s->reason = LIN_NO_MEMORY;
    return false;
}

/* Can an open operation remove whatever is there? */
static inline bool takes_any(const operation *o)
{
    return o->function == LIN_REMOVE && o->a < 0;
}

/* A candidate that is no class is an operation, plus the number of operations times one more than
   the value that it is to take, if it may choose. */
static inline int32_t operation_of(const search *s, int32_t candidate)
{
    return candidate < s->count ? candidate : candidate % s->count;
}

static inline int32_t choice_of(const search *s, int32_t candidate)
{
    return candidate < s->count ? -1 : candidate / s->count - 1;
}

/* Applies an operation to the state; false: not possible there, and nothing was changed. */
static inline bool step(search *s, int32_t number, int32_t choice)
{
    const operation *o = &s->operations[number];
    switch (s->model) {
    case LIN_REGISTER: return step_register(o, &s->state);
    case LIN_TEXT: return step_text(o, s->texts, &s->state);
    case LIN_COUNTER: return step_counter(o, s->problem->numbers, &s->state);
    default: return container_step(&s->contents, o, number, choice, &s->state);
    }
}

/* The first return in the list, the moment before which the next operation must have begun. */
static inline int32_t first_return(const search *s)
{
    int32_t p = s->nodes[0].next;
    while (!s->nodes[p].is_return) p = s->nodes[p].next;
    return p;
}

static inline void unlink_node(node *nodes, int32_t p)
{
    nodes[nodes[p].previous].next = nodes[p].next;
    nodes[nodes[p].next].previous = nodes[p].previous;
}

static inline void relink_node(node *nodes, int32_t p)
{
    nodes[nodes[p].previous].next = p;
    nodes[nodes[p].next].previous = p;
}

static inline void toggle(search *s, int32_t number)
{
    s->zobrist_1 ^= scatter((uint64_t)number * 2 + 1);
    s->zobrist_2 ^= scatter((uint64_t)number * 2 + ((uint64_t)1 << 40));
    if (s->bits) s->bits[number >> 6] ^= (uint64_t)1 << (number & 63);
}

static inline void count_need(search *s, const operation *o, int32_t change)
{
    if (o->outcome == LIN_REJECTED) s->rejected += change;
    else if (o->function != LIN_WRITE) s->need[o->a] += change;
}

/* Appends an operation to the order; the caller has applied it to the state. */
static inline void lift(search *s, int32_t number)
{
    const operation *o = &s->operations[number];
    unlink_node(s->nodes, o->call);
    if (o->ret != NEVER) {
        unlink_node(s->nodes, o->ret);
        s->remaining--;
    }
    toggle(s, number);
    s->trail[s->trail_count++] = number;
    if (s->class_count) count_need(s, o, -1);
}

static inline void lower(search *s, int32_t number)
{
    const operation *o = &s->operations[number];
    if (is_container(s->model)) container_undo(&s->contents, o, number);
    if (o->ret != NEVER) {
        relink_node(s->nodes, o->ret);
        s->remaining++;
    }
    relink_node(s->nodes, o->call);
    toggle(s, number);
    if (s->class_count) count_need(s, o, +1);
}

/* Numbers operations so that two have one number iff they do the same and return the same. Open
   ones share the number of those that returned. */
static bool find_twins(search *s)
{
    int64_t capacity = 16;
    while (capacity < 2 * (int64_t)s->count) capacity *= 2;
    int32_t *table = arena_zeroed(&s->arena, capacity * (int64_t)sizeof *table);
    if (!table) return out_of_memory(s);
    for (int32_t i = 0; i < s->count; i++) {
        operation *o = &s->operations[i];
        bool rejected = o->outcome == LIN_REJECTED;
        uint64_t what = ((uint64_t)(uint32_t)o->a << 32 | (uint32_t)o->b);
        int64_t j = (int64_t)(scatter(what ^ (uint64_t)o->function << 62 ^ (uint64_t)rejected << 61)
                              & (uint64_t)(capacity - 1));
        for (;; j = (j + 1) & (capacity - 1)) {
            if (!table[j]) {
                table[j] = i + 1;
                o->twin = s->twin_count++;
                break;
            }
            const operation *other = &s->operations[table[j] - 1];
            if (other->a == o->a && other->b == o->b && other->function == o->function
                && (other->outcome == LIN_REJECTED) == rejected) {
                o->twin = other->twin;
                break;
            }
        }
    }
    s->twin_seen = arena_zeroed(&s->arena, (int64_t)sizeof *s->twin_seen * (s->twin_count + 1));
    s->twin_place = arena_take(&s->arena, (int64_t)sizeof *s->twin_place * (s->twin_count + 1));
    return (s->twin_seen && s->twin_place) || out_of_memory(s);
}

/* The values of a register or a container get small numbers, so that arrays can be as short as the
   key's history. Texts and counters are looked up by the problem's. */
static int32_t local_value(search *s, int32_t value)
{
    if (s->model == LIN_TEXT || s->model == LIN_COUNTER || value < 0) return value;
    if (s->value_stamp[value] != s->stamp) {
        s->value_stamp[value] = s->stamp;
        if (s->value_ids) s->value_ids[s->value_count] = value;
        s->value_local[value] = s->value_count++;
    }
    return s->value_local[value];
}

/* An element of a set that is never read whole is a register: 1 if it is there. */
static void load_element(operation *o)
{
    static const uint8_t does[LIN_FUNCTIONS] = {
        [LIN_ADD] = LIN_WRITE, [LIN_DISCARD] = LIN_WRITE, [LIN_INSERT] = LIN_UPDATE,
        [LIN_REMOVE] = LIN_UPDATE, [LIN_PEEK] = LIN_READ, [LIN_LACKS] = LIN_READ,
    };
    o->a = o->function == LIN_ADD || o->function == LIN_REMOVE || o->function == LIN_PEEK;
    o->b = o->function == LIN_INSERT;
    o->function = does[o->function];
}

static bool copy_operations(search *s)
{
    bool open = false;
    for (int32_t i = 0; i < s->count; i++) {
        const lin_operation *from = &s->problem->operations[s->members[i]];
        if (i + LIN_AHEAD < s->count)
            LIN_PREFETCH(&s->problem->operations[s->members[i + LIN_AHEAD]]);
        operation *o = &s->operations[i];
        *o = (operation){.function = from->function, .outcome = from->outcome, .ret = NEVER};
        open |= from->outcome == LIN_OPEN;
        if (s->problem->model == LIN_SET && s->model == LIN_REGISTER) {
            load_element(o);
            continue;
        }
        bool whole = s->model == LIN_SET && o->function == LIN_READ;
        o->a = whole || o->function == LIN_EMPTY ? 0 : local_value(s, from->a);
        if (whole) o->b = from->a; /* tells answers apart */
        else if (s->model == LIN_COUNTER) o->b = from->b;
        else if (s->model == LIN_REGISTER && o->function == LIN_UPDATE)
            o->b = local_value(s, from->b);
    }
    s->lazy = open && s->model == LIN_REGISTER && (s->rules & LIN_LAZY_OPEN);
    return open;
}

/* What the reads of a whole set saw, as a state; elements that nobody adds make it impossible. */
static void load_set_reads(search *s)
{
    for (int32_t i = 0; i < s->count; i++) {
        if (s->operations[i].function != LIN_READ) continue;
        const int64_t *start = s->problem->item_start + s->problem->operations[s->members[i]].a;
        state *wanted = &s->contents.wanted[i];
        *wanted = (state){0};
        for (int64_t j = start[0]; j < start[1]; j++) {
            const int32_t item = s->problem->items[j];
            const container one = {.ids = &item};
            add_to_state(&one, wanted, 0, 0, false);
        }
    }
}

static bool load_contents(search *s)
{
    if (!container_load(&s->contents, &s->arena, s->problem, s->count, s->value_ids,
                        s->value_count))
        return out_of_memory(s);
    if (s->model == LIN_SET) load_set_reads(s);
    s->unlimited = 0;
    for (int32_t i = 0; i < s->count; i++) s->unlimited += takes_any(&s->operations[i]);
    return true;
}

/* A set is a register for each element, unless it is read whole. */
static int32_t model_of(const search *s)
{
    if (s->problem->model != LIN_SET) return s->problem->model;
    for (int32_t i = 0; i < s->count; i++)
        if (s->problem->operations[s->members[i]].function == LIN_READ) return LIN_SET;
    return LIN_REGISTER;
}

/* The nodes in the order of events. An open operation that reads says nothing and is left out. */
static void link_nodes(search *s, const int32_t *events, int32_t event_count)
{
    int32_t last = 0;
    s->nodes[0] = (node){.operation = -1};
    for (int32_t e = 0; e < event_count; e++) {
        int32_t p = e + 1, number = events[e] >> 1, is_return = events[e] & 1;
        operation *o = &s->operations[number];
        *(is_return ? &o->ret : &o->call) = p;
        s->nodes[p] = (node){.operation = number, .is_return = is_return};
        if (o->outcome == LIN_OPEN && (s->lazy || o->function == LIN_READ)) continue;
        s->nodes[last].next = p;
        s->nodes[p].previous = last;
        last = p;
        s->remaining += is_return;
    }
    s->tail = event_count + 1;
    s->nodes[s->tail] = (node){.previous = last, .operation = -1, .is_return = 1};
    s->nodes[last].next = s->tail;
}

/* Sets `s` up for one key: `count` operations `members`, with events in terms of their places. */
static bool load_key(search *s, const int32_t *members, int32_t count, const int32_t *events,
                     int32_t event_count)
{
    arena_reset(&s->arena);
    s->members = members;
    s->count = count;
    s->node_count = event_count + 2;
    s->remaining = s->value_count = s->twin_count = s->class_count = 0;
    s->bits = NULL;
    s->stamp++;
    s->model = model_of(s);
    s->value_ids = NULL;
    s->operations = arena_take(&s->arena, (int64_t)sizeof *s->operations * count);
    s->nodes = arena_take(&s->arena, (int64_t)sizeof *s->nodes * s->node_count);
    if (!s->operations || !s->nodes) return out_of_memory(s);
    if (is_container(s->model)) {
        s->initial = (state){0};
        s->value_ids = arena_take(&s->arena, (int64_t)sizeof *s->value_ids * (count + 1));
        if (!s->value_ids) return out_of_memory(s);
    } else if (s->texts) {
        const text_value *initial = &s->texts[s->problem->initial];
        s->initial = (state){initial->x, initial->y, initial->length};
    } else if (s->model == LIN_COUNTER) {
        s->initial = (state){.x = (uint64_t)s->problem->numbers[s->problem->initial]};
    } else if (s->problem->model == LIN_SET) {
        s->initial = (state){0};
        s->value_count = 2;
    } else {
        s->initial = (state){.x = (uint64_t)local_value(s, s->problem->initial)};
    }
    bool open = copy_operations(s);
    link_nodes(s, events, event_count);
    if (is_container(s->model) && !load_contents(s)) return false;
    if (!(s->rules & LIN_FINGERPRINT)) {
        s->bit_words = (count + 63) / 64;
        s->bits = arena_zeroed(&s->arena, (int64_t)sizeof *s->bits * s->bit_words);
        if (!s->bits) return out_of_memory(s);
    }
    if (((s->rules & LIN_SYMMETRY) || (open && s->lazy)) && !find_twins(s)) return false;
    return grow(&s->memory, (void **)&s->trail, &s->trail_capacity, (int64_t)count + 2,
                sizeof *s->trail) || out_of_memory(s);
}

#endif
