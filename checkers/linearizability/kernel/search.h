/* The search: depth first over configurations, with its own stack (Wing and Gong; Lowe).

   A move appends one operation to the order, or uses one of an open class. A frame holds the
   candidates of one configuration and how to undo the move that led to it. */
#ifndef LIN_SEARCH_H
#define LIN_SEARCH_H

#include "prune.h"

enum { POLL_INTERVAL = 1024 };

static void undo_to(search *s, int64_t mark)
{
    while (s->trail_count > mark) {
        int64_t entry = s->trail[--s->trail_count];
        if (entry >= 0) lower(s, (int32_t)entry);
        else lower_open(s, entry);
    }
}

static bool give_up(search *s)
{
    if (s->reason) return true;
    const volatile int32_t *abort = s->options->abort;
    if (++s->polls % POLL_INTERVAL == 0 && abort && *abort) s->reason = LIN_ABORTED;
    else if (work_done(s) > s->budget) s->reason = LIN_BUDGET;
    return s->reason != 0;
}

/* Stores how the present state came about: the operations since (and with) the last that set it
   whatever it was before. */
static bool store_recipe(search *s)
{
    int64_t start = s->found_count ? s->ends[s->found_count - 1] : 0, end = start;
    int64_t from = s->trail_count;
    bool whole = false;
    while (from > 0 && !whole) {
        int64_t entry = s->trail[--from];
        if (s->model == LIN_REGISTER)
            whole = entry < 0 || produced_value(&s->operations[entry]) >= 0;
        else whole = s->operations[entry].function == LIN_WRITE;
    }
    for (; from < s->trail_count; from++) {
        int64_t entry = s->trail[from];
        if (entry >= 0 && is_pure(&s->operations[entry])) continue;
        if (end == s->recipe_capacity) return false;
        if (entry < 0) {
            const open_class *c = &s->classes[~entry >> 1];
            entry = s->class_members[c->start + c->used - 1];
        }
        s->recipes[end++] = s->members[entry];
    }
    s->ends[s->found_count] = (int32_t)end;
    return true;
}

/* Notes the present state as one that is possible just before the target's return. */
static void collect(search *s)
{
    for (int64_t i = 0; i < s->found_count; i++)
        if (same_state(&s->found[i], &s->state)) return;
    if (s->found_count == s->found_capacity || !store_recipe(s)) {
        s->reason = LIN_BUDGET;
        return;
    }
    s->found[s->found_count++] = s->state;
}

/* Enters the present configuration, to which a move led from `before` when the trail was `mark`
   long. False: nothing to do there, and the move is to be undone. */
static bool enter(search *s, state before, int64_t mark, int32_t chain)
{
    int32_t limit = first_return(s);
    s->configurations++;
    if (limit > s->furthest) s->furthest = limit;
    if (limit == s->target) collect(s);
    if (!chain) {
        if (leads_nowhere(s, limit)) return false;
        if (already_seen(s)) return false;
    }
    int64_t first = s->candidate_count;
    if (!add_candidates(s, limit, chain)) return false;
    if (!grow(&s->memory, (void **)&s->frames, &s->frame_capacity, s->frame_count + 1,
              sizeof *s->frames))
        return out_of_memory(s);
    s->frames[s->frame_count++] =
        (frame){before, mark, first, first, s->candidate_count, chain, limit};
    return true;
}

/* Has the chain of open operations that the top frame stands in been in this state before? */
static bool chain_visited(const search *s, int32_t value)
{
    for (const frame *f = &s->frames[s->frame_count - 1]; f->chain; f--)
        if (f->before.x == (uint64_t)value) return true;
    return false;
}

/* Makes the move `candidate` from the top frame's configuration. */
static void try_candidate(search *s, int32_t candidate)
{
    const frame *top = &s->frames[s->frame_count - 1];
    state before = s->state;
    int64_t mark = s->trail_count;
    int32_t chain = 0;
    if (candidate < 0) {
        if (chain_visited(s, s->classes[~candidate].target)) return;
        chain = top->chain + 1;
        if (!lift_open(s, ~candidate, top->first_return)) return;
    } else {
        int32_t number = operation_of(s, candidate);
        if (!step(s, number, choice_of(s, candidate))) return;
        lift(s, number);
    }
    int64_t moved = s->trail_count;
    take_pure(s);
    if (s->trail_count > moved) chain = 0; /* the chain was needed; it ends here */
    if (!s->remaining || enter(s, before, mark, chain)) return;
    undo_to(s, mark);
    s->state = before;
}

/* One search from the start, exact or relaxed. The order found is left on the trail. */
static int32_t run(search *s)
{
    s->state = s->initial;
    s->frame_count = s->candidate_count = 0;
    cache_clear(s);
    take_pure(s);
    if (!s->remaining) return LIN_LEGAL;
    enter(s, s->state, s->trail_count, 0);
    while (s->frame_count) {
        if (give_up(s)) return LIN_UNKNOWN;
        frame *f = &s->frames[s->frame_count - 1];
        if (f->next < f->end) {
            try_candidate(s, s->candidates[f->next++]);
            if (!s->remaining) return LIN_LEGAL;
            continue;
        }
        undo_to(s, f->mark);
        s->state = f->before;
        s->candidate_count = f->first;
        s->frame_count--;
    }
    return s->reason ? LIN_UNKNOWN : LIN_ILLEGAL;
}

/* Loads one key and decides it; `budget` is in configurations. */
static int32_t decide_key(search *s, const int32_t *members, int32_t count, const int32_t *events,
                          int32_t event_count, int64_t budget)
{
    s->reason = LIN_DECIDED;
    s->furthest = 0;
    s->looked_ahead = s->relaxed = false;
    s->configurations_before = s->configurations;
    s->zobrist_1 = s->zobrist_2 = s->open_hash = 0;
    s->trail_count = s->open_lifts = s->overdrawn = 0;
    int64_t done = work_done(s);
    s->budget = budget > INT64_MAX - done ? INT64_MAX : done + budget;
    if (!load_key(s, members, count, events, event_count)) return LIN_UNKNOWN;
    if (s->lazy && !load_open_classes(s)) return LIN_UNKNOWN;
    if ((s->rules & LIN_LAZY_OPEN) && s->target < 0) {
        if (s->model == LIN_TEXT) drop_unseen_texts(s);
        if (is_container(s->model) && !drop_unseen_items(s)) return LIN_UNKNOWN;
    }
    if (is_container(s->model) && s->unlimited
        && (int64_t)s->count * (s->value_count + 1) > INT32_MAX) {
        s->reason = LIN_BUDGET; /* too many choices to number */
        return LIN_UNKNOWN;
    }
    s->relaxed = s->class_count && (s->rules & LIN_RELAX) && s->target < 0;
    int32_t verdict = run(s);
    if (verdict != LIN_LEGAL || !s->overdrawn) return verdict;
    undo_to(s, 0);
    s->relaxed = false;
    s->furthest = 0;
    return run(s);
}

/* Writes the order on the trail into `order`, in the problem's numbers. */
static void store_order(search *s, int32_t *order)
{
    for (int32_t c = 0; c < s->class_count; c++) s->classes[c].used = 0;
    for (int64_t i = 0; i < s->trail_count; i++) {
        int64_t entry = s->trail[i];
        if (entry < 0) {
            open_class *c = &s->classes[~entry >> 1];
            entry = s->class_members[c->start + c->used++];
        }
        order[i] = s->members[entry];
    }
}

#endif
