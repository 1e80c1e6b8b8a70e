/* The kernel's two entry points; the rest is included, so that all of it is one unit.

   A check goes through the keys in this order:
   1. Each key in turn is decided without a search, where its values are written once (unique.h),
      or by counting (unique_dispatch.h).
   2. What is left is searched, in rounds over all keys with growing budgets.
   The first key that is illegal ends the check. */
#include "partition.h"
#include "texts.h"
#include "unique_dispatch.h"

enum { FIRST_ROUND = 4096, ROUND_FACTOR = 16 };

static void store_witness(search *s, const unique *u, lin_result *result)
{
    result->verdict = LIN_ILLEGAL;
    result->reason = LIN_DECIDED;
    result->method = LIN_BY_UNIQUE;
    result->operation = hint(u);
    result->key = s->problem->operations[result->operation].key;
    result->illegal_with = 1;
    result->witness_count = u->witness_count;
    memcpy(result->witness, u->witness, sizeof *u->witness * (size_t)u->witness_count);
}

/* Decides one part without a search, or LIN_UNKNOWN. A counting check is not tried where the
   polynomial one was stopped by want of memory: it would only be stopped again. */
static int32_t decide_plainly(search *s, const partition *parts, int32_t part, unique *u,
                              bool with_order)
{
    int32_t first = parts->operation_start[part], event = parts->event_start[part];
    int32_t verdict = LIN_UNKNOWN;
    for (int pass = 0; pass < 2 && verdict == LIN_UNKNOWN; pass++) {
        arena_reset(&s->arena);
        *u = (unique){.problem = s->problem, .arena = &s->arena, .local = s->value_local,
                      .stamp = s->value_stamp, .epoch = ++s->stamp,
                      .members = parts->members + first, .events = parts->events + event,
                      .count = parts->operation_start[part + 1] - first,
                      .event_count = parts->event_start[part + 1] - event,
                      .with_order = with_order};
        u->end = u->event_count;
        verdict = pass ? check_counts(u) : decide_unique(u);
    }
    return verdict;
}

/* Step 1. False: the check is over. */
static bool check_plainly(search *s, partition *parts, lin_result *result, int32_t *order)
{
    const volatile int32_t *abort = s->options->abort;
    if (!(s->rules & LIN_UNIQUE) || s->problem->model == LIN_TEXT
        || s->problem->model == LIN_COUNTER)
        return true;
    for (int32_t part = 0; part < parts->count; part++) {
        unique u;
        if (abort && *abort) {
            s->reason = LIN_ABORTED;
            return false;
        }
        int32_t verdict = decide_plainly(s, parts, part, &u, order != NULL);
        if (verdict == LIN_ILLEGAL) {
            store_witness(s, &u, result);
            return false;
        }
        if (verdict == LIN_LEGAL && order
            && !write_order(&u, order + parts->operation_start[part]))
            continue;
        parts->decided[part] = verdict == LIN_LEGAL;
    }
    return true;
}

/* Step 2. Rounds over all undecided parts with growing budgets: one hard key cannot keep an easy
   illegal one from ending the check. Starting anew each round costs a sixteenth, and no memory. */
static void check_by_search(search *s, partition *parts, lin_result *result, int32_t *order)
{
    const lin_options *options = s->options;
    int32_t left = 0;
    for (int32_t k = 0; k < parts->count; k++) left += !parts->decided[k];
    result->method = left ? LIN_BY_SEARCH : LIN_BY_UNIQUE;
    int64_t round = left > 1 ? FIRST_ROUND : options->key_budget;
    if (round > options->key_budget) round = options->key_budget;
    for (;;) {
        result->key = -1;
        for (int32_t k = 0; k < parts->count && left; k++) {
            if (parts->decided[k]) continue;
            int32_t first = parts->operation_start[k], event = parts->event_start[k];
            int64_t budget = options->total_budget - work_done(s);
            int32_t verdict = decide_key(s, parts->members + first,
                                         parts->operation_start[k + 1] - first,
                                         parts->events + event, parts->event_start[k + 1] - event,
                                         budget < round ? budget : round);
            if (verdict == LIN_LEGAL) {
                parts->decided[k] = 1;
                left--;
                if (order) store_order(s, order + first);
                continue;
            }
            if (verdict == LIN_UNKNOWN && result->key >= 0 && s->reason == LIN_BUDGET) continue;
            result->key = s->problem->operations[parts->members[first]].key;
            result->reason = s->reason;
            result->verdict = verdict;
            if (verdict == LIN_ILLEGAL) {
                result->operation = parts->members[first + s->nodes[s->furthest].operation];
                result->legal_before = !s->relaxed && !parts->part_of;
                result->illegal_with = !s->looked_ahead;
            }
            if (s->reason != LIN_BUDGET) return;
        }
        if (!left || round == options->key_budget || work_done(s) >= options->total_budget)
            break;
        round = round > options->key_budget / ROUND_FACTOR ? options->key_budget
                                                           : round * ROUND_FACTOR;
    }
    if (left || (order && !merge_orders(s, parts, order))) return;
    result->verdict = LIN_LEGAL;
    result->reason = LIN_DECIDED;
}

/* Node 1 is the key's first event. An open operation has no return to stop before. */
static void collect_states(search *s, partition *parts, int32_t target, lin_result *result)
{
    const lin_problem *p = s->problem;
    int32_t k = part_of(p, parts, target);
    int32_t first = parts->operation_start[k], count = parts->operation_start[k + 1] - first;
    int32_t event = parts->event_start[k], events = parts->event_start[k + 1] - event;
    for (int32_t e = 0; e < events; e++) {
        int32_t number = parts->events[event + e];
        if ((number & 1) && parts->members[first + (number >> 1)] == target) s->target = e + 1;
    }
    if (s->target < 0) {
        s->reason = LIN_MALFORMED;
        return;
    }
    int32_t verdict = decide_key(s, parts->members + first, count, parts->events + event, events,
                                 s->options->key_budget);
    result->key = p->operations[target].key;
    result->verdict = verdict == LIN_ILLEGAL ? LIN_LEGAL : LIN_UNKNOWN;
    result->state_count = (int32_t)s->found_count;
}

static void release(search *s, partition *parts, int64_t text_bytes, int64_t prefix_bytes)
{
    memory *m = &s->memory;
    arena_free(&s->arena);
    free_partition(s, parts);
    memory_give(m, s->texts, text_bytes);
    memory_give(m, s->prefixes, prefix_bytes);
    memory_give(m, s->value_local, 0);
    memory_give(m, s->value_stamp, 0);
    memory_give(m, s->trail, 0);
    memory_give(m, s->open_stack, 0);
    memory_give(m, s->frames, 0);
    memory_give(m, s->candidates, 0);
    memory_give(m, s->slots, 0);
    memory_give(m, s->pool, 0);
}

static bool load_value_numbers(search *s)
{
    if (s->problem->model == LIN_TEXT || s->problem->model == LIN_COUNTER) return true;
    int64_t bytes = (int64_t)sizeof(int32_t) * ((int64_t)s->problem->value_count + 1);
    s->value_local = memory_take(&s->memory, bytes);
    s->value_stamp = memory_take(&s->memory, bytes);
    if (!s->value_local || !s->value_stamp) return out_of_memory(s);
    memset(s->value_stamp, 0, (size_t)bytes);
    return true;
}

/* Both entry points: check all keys, or collect states at `target` if `found` is given. */
static int32_t call(const lin_problem *problem, const lin_options *options, lin_result *result,
                    int32_t *order, search *s, int32_t target)
{
    partition parts = {0};
    int64_t text_bytes = 0, prefix_bytes = 0;
    s->problem = problem;
    s->options = options;
    s->rules = options->rules;
    s->memory.limit = options->max_bytes;
    s->arena.memory = &s->memory;
    s->target = -1;
    *result = (lin_result){.verdict = LIN_UNKNOWN, .key = -1, .operation = -1};
    for (int32_t i = 0; order && i < problem->operation_count; i++) order[i] = -1;
    if (target >= problem->operation_count) s->reason = LIN_MALFORMED;
    else if (make_partition(s, &parts) && load_value_numbers(s)
             && load_texts(s, &text_bytes, &prefix_bytes)) {
        if (target >= 0) collect_states(s, &parts, target, result);
        else if (check_plainly(s, &parts, result, order))
            check_by_search(s, &parts, result, order);
    }
    if (result->verdict == LIN_UNKNOWN && !result->reason) result->reason = s->reason;
    result->configurations = work_done(s);
    result->bytes = s->memory.peak;
    release(s, &parts, text_bytes, prefix_bytes);
    return result->verdict;
}

int lin_check(const lin_problem *problem, const lin_options *options, lin_result *result,
              int32_t *order)
{
    search s = {0};
    return call(problem, options, result, order, &s, -1);
}

int lin_frontier(const lin_problem *problem, const lin_options *options, int32_t target,
                 lin_result *result, int32_t *recipes, int32_t recipe_capacity, int32_t *ends,
                 int32_t state_capacity)
{
    search s = {.recipes = recipes, .recipe_capacity = recipe_capacity, .ends = ends,
                .found_capacity = state_capacity};
    if (target < 0) target = INT32_MAX; /* answered as malformed */
    s.found = malloc(sizeof *s.found * ((size_t)(state_capacity > 0 ? state_capacity : 0) + 1));
    if (!s.found) {
        *result = (lin_result){.verdict = LIN_UNKNOWN, .reason = LIN_NO_MEMORY, .key = -1};
        return LIN_UNKNOWN;
    }
    int32_t verdict = call(problem, options, result, NULL, &s, target);
    free(s.found);
    return verdict;
}
