/* Which operations are worth trying next, and which configurations lead nowhere.

   The window of a configuration is what was called before the first return r: any order that
   explains the history takes its next operation from the window, because r comes later and must
   come after nothing that was called after r returned. */
#ifndef LIN_PRUNE_H
#define LIN_PRUNE_H

#include "foresight.h"

enum {
    LOOKAHEAD_RETURNS = 12,
    LOOKAHEAD_RETURNS_HARD = 24,
    LOOKAHEAD_TEXTS = 32
};

/* Rule LIN_EAGER. A pure operation x that is possible now may come next without an alternative:
   take any order that goes on from here and contains x; putting x first instead leaves every
   state as it was, and breaks no order of real time, as everything between was callable with x.
   (A write that happens to write the present value is not pure: later it would change something.)
   One pass is enough, since nothing here changes the state. */
static void take_pure(search *s)
{
    if (!(s->rules & LIN_EAGER)) return;
    node *nodes = s->nodes;
    for (int32_t p = nodes[0].next; !nodes[p].is_return;) {
        int32_t number = nodes[p].operation;
        const operation *o = &s->operations[number];
        if (is_pure(o) && o->ret != s->target && step(s, number, -1)) {
            lift(s, number);
            /* p's own link was kept: it leads on, unless to the return that has gone with it */
            p = nodes[p].next == o->ret ? nodes[o->ret].next : nodes[p].next;
        } else {
            p = nodes[p].next;
        }
    }
}

/* The state that `o` needs to be possible, if it needs a certain one; else -1. */
static inline int32_t needed_value(const operation *o)
{
    return o->function == LIN_WRITE || o->outcome == LIN_REJECTED ? -1 : o->a;
}

/* The state that `o` leaves behind, or -1 if it is pure. */
static inline int32_t produced_value(const operation *o)
{
    if (is_pure(o)) return -1;
    return o->function == LIN_WRITE ? o->a : o->b;
}

/* Rule LIN_BLOCKED, for a register. Everything that comes before the first return's operation r
   comes from the window. If r needs a state that is not there, and nothing in the window and no
   open operation leads to that state, then r is never possible. For a rejected compare-and-set the
   state must change to anything else. */
static bool is_blocked(const search *s, int32_t limit)
{
    if (s->nodes[limit].operation < 0 || limit == s->target) return false;
    const operation *r = &s->operations[s->nodes[limit].operation];
    bool away = r->outcome == LIN_REJECTED;
    int32_t wanted = away ? r->a : needed_value(r);
    if (wanted < 0 || ((uint64_t)wanted == s->state.x) != away) return false;
    if (away ? s->class_count > 0 : open_leads_to(s, wanted, limit)) return false;
    for (int32_t p = s->nodes[0].next; p != limit; p = s->nodes[p].next) {
        const operation *o = &s->operations[s->nodes[p].operation];
        int32_t product = produced_value(o);
        if (product >= 0 && o != r && (product == wanted) != away) return false;
    }
    return true;
}

/* Does `whole` go on with `part` after its first `from` bytes? Exact answers "no". */
static inline bool may_go_on(const text_value *whole, int64_t from, const text_value *part,
                             const uint64_t *prefixes)
{
    const uint64_t *hash = prefixes + whole->prefixes + from;
    return from + part->length <= whole->length
           && add61(times61(hash[0], part->power_x), part->x) == hash[part->length];
}

/* Can the first `from` bytes of `whole` grow to all of it by appends that stand before the node
   `limit`? Each may serve once, which is not counted here; so "no" is exact. */
static bool may_grow(search *s, const text_value *whole, int64_t from, int32_t limit)
{
    int64_t reached[LOOKAHEAD_TEXTS] = {from};
    int32_t count = 1;
    for (int32_t i = 0; i < count; i++) {
        if (reached[i] == whole->length) return true;
        for (int32_t p = s->nodes[0].next; p != limit; p = s->nodes[p].next) {
            const operation *append = &s->operations[s->nodes[p].operation];
            s->looks++;
            if (s->nodes[p].is_return || append->function != LIN_UPDATE) continue;
            const text_value *part = &s->texts[append->a];
            if (!part->length || !may_go_on(whole, reached[i], part, s->prefixes)) continue;
            int64_t end = reached[i] + part->length;
            bool known = false;
            for (int32_t j = 0; j < count; j++) known |= reached[j] == end;
            if (known) continue;
            if (count == LOOKAHEAD_TEXTS) return true; /* too many to tell */
            reached[count++] = end;
        }
    }
    return false;
}

/* Can the text be `whole` before the node `limit`: grown from what it is, or from a put? */
static bool may_become(search *s, const text_value *whole, int32_t limit, bool thorough)
{
    if (may_be_prefix(s->state.x, s->state.length, whole, s->prefixes)
        && (!thorough || may_grow(s, whole, s->state.length, limit)))
        return true;
    for (int32_t p = s->nodes[0].next; p != limit; p = s->nodes[p].next) {
        const operation *put = &s->operations[s->nodes[p].operation];
        s->looks++;
        if (s->nodes[p].is_return || put->function != LIN_WRITE) continue;
        const text_value *start = &s->texts[put->a];
        if (may_be_prefix(start->x, start->length, whole, s->prefixes)
            && (!thorough || may_grow(s, whole, start->length, limit)))
            return true;
    }
    return false;
}

/* Rule LIN_LOOKAHEAD, for texts. A remaining get returned `whole`. Until it comes, the text only
   grows, or a remaining put starts it anew; so `whole` must begin with the present text or with
   that of a remaining put, and go on with texts of remaining appends. All of these must have been
   called before the get returned, so they stand before its return in the list. How many returns are
   looked at, and whether the appends are looked at as well, is a matter of time only: each look is
   sound. Keys that turn out hard get the thorough look, which takes ten times as long and leaves a
   hundredth of the configurations. */
static bool future_is_impossible(search *s, int32_t first)
{
    const node *nodes = s->nodes;
    int64_t spent = s->configurations - s->configurations_before;
    bool hard = spent > s->options->patience * (int64_t)s->count;
    int32_t left = hard ? LOOKAHEAD_RETURNS_HARD : LOOKAHEAD_RETURNS;
    for (int32_t p = nodes[0].next; left && p != s->tail; p = nodes[p].next) {
        s->looks++;
        if (!nodes[p].is_return) continue;
        if (p == s->target) return false; /* what comes after it does not count */
        const operation *get = &s->operations[nodes[p].operation];
        left--;
        if (get->function != LIN_READ || may_become(s, &s->texts[get->a], p, hard)) continue;
        if (p != first) s->looked_ahead = true;
        return true;
    }
    return false;
}

/* Does this configuration lead nowhere, by the rules LIN_BLOCKED and LIN_LOOKAHEAD? */
static bool leads_nowhere(search *s, int32_t limit)
{
    bool ahead = s->rules & LIN_LOOKAHEAD, blocked = s->rules & LIN_BLOCKED;
    switch (s->model) {
    case LIN_REGISTER: return blocked && is_blocked(s, limit);
    case LIN_TEXT: return ahead && future_is_impossible(s, limit);
    case LIN_COUNTER: return ahead && sum_is_impossible(s, limit);
    default: return blocked && contents_are_blocked(s, limit);
    }
}

/* Rule LIN_SYMMETRY. Of operations that do and return the same, only the one with the earliest
   return (then call) is tried: where an order has another one of them first, the two can change
   places, as both were called by now and the earlier place is no later than either return. */
static bool add_or_replace_twin(search *s, int32_t number, int64_t moment)
{
    if (!(s->rules & LIN_SYMMETRY)) return add_candidate(s, number);
    const operation *o = &s->operations[number];
    if (s->twin_seen[o->twin] != moment) {
        s->twin_seen[o->twin] = moment;
        s->twin_place[o->twin] = s->candidate_count;
        return add_candidate(s, number);
    }
    int32_t *place = &s->candidates[s->twin_place[o->twin]];
    if (o->ret < s->operations[*place].ret) *place = number;
    return true;
}

/* An open removal is a candidate for each thing that it could take. Of several, the one that was
   called first is enough (rule LIN_SYMMETRY). */
static bool add_choices(search *s, int32_t number, int64_t moment)
{
    int32_t twin = s->operations[number].twin;
    if (s->rules & LIN_SYMMETRY) {
        if (s->twin_seen[twin] == moment) return true;
        s->twin_seen[twin] = moment;
    }
    for (int32_t v = -1; (v = next_choice(&s->contents, v)) >= 0;)
        if (!add_candidate(s, s->count * (v + 1) + number)) return false;
    return true;
}

/* Rule LIN_DEADLINE_FIRST: try what must return first. Only the order of trials changes. */
static void sort_by_return(search *s, int64_t first)
{
    const operation *o = s->operations;
    int32_t *c = s->candidates;
    for (int64_t i = first + 1; i < s->candidate_count; i++) {
        int32_t moved = c[i], ret = o[operation_of(s, moved)].ret;
        int64_t j = i;
        for (; j > first && o[operation_of(s, c[j - 1])].ret > ret; j--) c[j] = c[j - 1];
        c[j] = moved;
    }
}

/* Collects what to try next; false without memory. In a chain of open operations (open.h) only
   what the state makes possible right now comes next. */
static bool add_candidates(search *s, int32_t limit, int32_t chain)
{
    int64_t first = s->candidate_count, moment = ++s->tick;
    for (int32_t p = s->nodes[0].next; p != limit; p = s->nodes[p].next) {
        int32_t number = s->nodes[p].operation;
        const operation *o = &s->operations[number];
        if (o->ret == s->target && s->target >= 0) continue;
        if (chain && o->function == LIN_WRITE) continue;
        if ((s->rules & LIN_EAGER) && is_pure(o)) continue; /* possible ones were taken */
        int32_t needed = s->model == LIN_REGISTER ? needed_value(o) : -1;
        if (needed >= 0 && (uint64_t)needed != s->state.x) continue;
        if (takes_any(o) && is_container(s->model)) {
            if (!add_choices(s, number, moment)) return false;
            continue;
        }
        if (!add_or_replace_twin(s, number, moment)) return false;
    }
    if (s->rules & LIN_DEADLINE_FIRST) sort_by_return(s, first);
    return !s->class_count || add_open_candidates(s, limit, chain);
}

#endif
