/* The kernel's two entry points; the rest is included, so that all of it is one unit. */
#include "search.h"

enum { FIRST_ROUND = 4096, ROUND_FACTOR = 16 };

/* The events and operations of all keys, key by key. */
typedef struct {
    int32_t *operation_start, *event_start; /* key_count + 1 each */
    int32_t *members;                       /* operations, in call order within a key */
    int32_t *events;                        /* with an operation's place in its key */
    uint8_t *decided;
    int64_t bytes;
    void *block;
} partition;

static bool valid_value(const lin_problem *p, int32_t value)
{
    return value >= 0 && value < p->value_count;
}

static bool valid_operation(const lin_problem *p, const lin_operation *o)
{
    return o->key >= 0 && o->key < p->key_count && valid_value(p, o->a)
           && (o->function != LIN_UPDATE || p->model == LIN_TEXT || valid_value(p, o->b))
           && o->function <= LIN_UPDATE && o->outcome <= LIN_OPEN
           && (o->outcome != LIN_REJECTED
               || (o->function == LIN_UPDATE && p->model == LIN_REGISTER));
}

/* Calls are numbered in their order; each is followed by one return, or by none if it is open. */
static bool valid(const lin_problem *p, uint8_t *state)
{
    int32_t calls = 0, returned = 0, open = 0;
    if (p->model < LIN_REGISTER || p->model > LIN_TEXT || !valid_value(p, p->initial)) return false;
    for (int32_t i = 0; i < p->operation_count; i++) {
        if (!valid_operation(p, &p->operations[i])) return false;
        open += p->operations[i].outcome == LIN_OPEN;
        state[i] = 0;
    }
    for (int32_t e = 0; e < p->event_count; e++) {
        int32_t event = p->events[e], i = event >> 1;
        if (event < 0 || i >= p->operation_count) return false;
        if (event & 1) {
            if (state[i]++ != 1 || p->operations[i].outcome == LIN_OPEN) return false;
            returned++;
        } else if (state[i]++ || i != calls++) {
            return false;
        }
    }
    return calls == p->operation_count && returned + open == calls;
}

/* Turns counts (at the places key + 1) into starts, by adding up. */
static void add_up(int32_t *starts, int32_t keys)
{
    for (int32_t k = 0; k < keys; k++) starts[k + 1] += starts[k];
}

/* A counting sort of operations and events by key, stable. `next` is scratch, one word a key. */
static void fill_partition(const lin_problem *p, partition *parts, int32_t *place, int32_t *next)
{
    size_t bytes = sizeof *next * (size_t)p->key_count;
    for (int32_t i = 0; i < p->operation_count; i++)
        parts->operation_start[p->operations[i].key + 1]++;
    for (int32_t e = 0; e < p->event_count; e++)
        parts->event_start[p->operations[p->events[e] >> 1].key + 1]++;
    add_up(parts->operation_start, p->key_count);
    add_up(parts->event_start, p->key_count);
    memcpy(next, parts->operation_start, bytes);
    for (int32_t i = 0; i < p->operation_count; i++) {
        int32_t key = p->operations[i].key;
        place[i] = next[key] - parts->operation_start[key];
        parts->members[next[key]++] = i;
    }
    memcpy(next, parts->event_start, bytes);
    for (int32_t e = 0; e < p->event_count; e++) {
        int32_t i = p->events[e] >> 1;
        parts->events[next[p->operations[i].key]++] = place[i] * 2 + (p->events[e] & 1);
    }
}

static bool make_partition(search *s, partition *parts)
{
    const lin_problem *p = s->problem;
    int64_t keys = (int64_t)p->key_count + 2, n = p->operation_count;
    int64_t starts = 3 * keys * 4;
    parts->bytes = starts + n * 4 + n * 4 + (int64_t)p->event_count * 4 + keys;
    char *block = parts->block = memory_take(&s->memory, parts->bytes);
    if (!block) return out_of_memory(s);
    memset(block, 0, (size_t)starts);
    parts->operation_start = (int32_t *)block;
    parts->event_start = parts->operation_start + keys;
    int32_t *next = parts->event_start + keys;
    parts->members = next + keys;
    int32_t *place = parts->members + n;
    parts->events = place + n;
    parts->decided = (uint8_t *)(parts->events + p->event_count);
    memset(parts->decided, 0, (size_t)keys);
    if (!valid(p, (uint8_t *)place)) {
        s->reason = LIN_MALFORMED;
        return false;
    }
    fill_partition(p, parts, place, next);
    return true;
}

/* Hashes all texts once, and the prefixes of those that gets returned. */
static bool load_texts(search *s, int64_t *text_bytes, int64_t *prefix_bytes)
{
    const lin_problem *p = s->problem;
    if (p->model != LIN_TEXT) return true;
    int64_t words = 0;
    *text_bytes = (int64_t)sizeof *s->texts * (p->value_count + 1);
    s->texts = memory_take(&s->memory, *text_bytes);
    if (!s->texts) return out_of_memory(s);
    for (int32_t v = 0; v < p->value_count; v++) s->texts[v].prefixes = -1;
    for (int32_t i = 0; i < p->operation_count; i++) {
        int32_t v = p->operations[i].a;
        if (p->operations[i].function != LIN_READ || p->operations[i].outcome == LIN_OPEN
            || s->texts[v].prefixes >= 0)
            continue;
        s->texts[v].prefixes = words;
        words += p->text_start[v + 1] - p->text_start[v] + 1;
    }
    *prefix_bytes = words * (int64_t)sizeof *s->prefixes;
    s->prefixes = memory_take(&s->memory, *prefix_bytes);
    if (!s->prefixes) return out_of_memory(s);
    for (int32_t v = 0; v < p->value_count; v++) {
        text_value *text = &s->texts[v];
        hash_text(text, p->text + p->text_start[v], p->text_start[v + 1] - p->text_start[v],
                  text->prefixes < 0 ? NULL : s->prefixes + text->prefixes);
    }
    return true;
}

/* Rounds over all undecided keys with growing budgets: one hard key cannot keep an easy illegal
   one from ending the check. Starting anew each round costs a sixteenth, and no memory. */
static void check_keys(search *s, partition *parts, lin_result *result, int32_t *order)
{
    const lin_options *options = s->options;
    int32_t keys = s->problem->key_count, left = keys;
    int64_t round = keys > 1 ? FIRST_ROUND : options->key_budget;
    if (round > options->key_budget) round = options->key_budget;
    for (;;) {
        result->key = -1;
        for (int32_t k = 0; k < keys; k++) {
            if (parts->decided[k]) continue;
            int32_t first = parts->operation_start[k], event = parts->event_start[k];
            int64_t budget = options->total_budget - s->configurations;
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
            result->key = k;
            result->reason = s->reason;
            result->verdict = verdict;
            if (verdict == LIN_ILLEGAL) {
                result->operation = parts->members[first + s->nodes[s->furthest].operation];
                result->legal_before = !s->relaxed;
                result->illegal_with = !s->looked_ahead;
            }
            if (s->reason != LIN_BUDGET) return;
        }
        if (!left || round == options->key_budget || s->configurations >= options->total_budget)
            break;
        round = round > options->key_budget / ROUND_FACTOR ? options->key_budget
                                                           : round * ROUND_FACTOR;
    }
    if (left) return;
    result->verdict = LIN_LEGAL;
    result->reason = LIN_DECIDED;
}

/* Node 1 is the key's first event. An open operation has no return to stop before. */
static void collect_states(search *s, partition *parts, int32_t target, lin_result *result)
{
    const lin_problem *p = s->problem;
    int32_t k = p->operations[target].key;
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
    result->key = k;
    result->verdict = verdict == LIN_ILLEGAL ? LIN_LEGAL : LIN_UNKNOWN;
    result->state_count = (int32_t)s->found_count;
}

static void release(search *s, partition *parts, int64_t text_bytes, int64_t prefix_bytes)
{
    memory *m = &s->memory;
    arena_free(&s->arena);
    memory_give(m, parts->block, parts->bytes);
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
    if (s->problem->model == LIN_TEXT) return true;
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
        if (target < 0) check_keys(s, &parts, result, order);
        else collect_states(s, &parts, target, result);
    }
    if (result->verdict == LIN_UNKNOWN && !result->reason) result->reason = s->reason;
    result->configurations = s->configurations;
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
