/* Open operations: those whose answer never came. They may take effect at any time after their
   call, or never, and they stay callable for ever, which makes naive searches explode.

   Rule LIN_LAZY_OPEN, for a register. Take any order that explains the history, and an open
   operation i in it that turns state p into q, followed by x.
   - x is the end of the order, or a write: nothing sees q. Leave i out.
   - p = q: leave i out.
   - x was possible in p too (a rejected compare-and-set, with p and q both other than its `from`):
     exchange i and x. That is allowed because i has no return that it must come before.
   - else x was not possible without i: it reads q, or compares with q and swaps, or it is a
     rejected compare-and-set from p.
   Each change drops an open operation or moves it later, so it ends, in an order where every open
   operation is directly followed by one that was impossible without it. Hence:
   - an open operation is tried only as the beginning of a chain: an open write or compare-and-set,
     then open compare-and-sets, then an operation in the window that the chain made possible;
   - which chains can help is found backwards from the states that the window's operations need;
   - a chain visits no state twice, since the detour could be left out;
   - one that no remaining operation needs, however indirectly, is never tried at all.

   Symmetry: open operations that do the same form a class and are used in the order of their
   calls; the earliest can stand wherever another one stands. So a count per class is enough.

   Rule LIN_RELAX: first pretend that a class, once its first member was called, never runs out.
   This only adds orders, so illegal is illegal; and an order that did not overdraw is real. Only
   otherwise the exact search must run. Relaxed, counts need not be remembered at all, and the
   configurations are those of a history without open operations.

   Texts (same rule flag): from an open put or append to the next put, a get sees its text somewhere
   in the result. If no get of the key ever returned a text with it inside, no get stands there,
   and the operation can be left out. */
#ifndef LIN_OPEN_H
#define LIN_OPEN_H

#include "cache.h"

static bool open_arrays(search *s)
{
    arena *a = &s->arena;
    int64_t values = (int64_t)sizeof(int32_t) * (s->value_count + 1);
    s->need = arena_zeroed(a, values);
    s->is_source = arena_zeroed(a, s->value_count + 1);
    s->write_class = arena_take(a, values);
    s->update_class = arena_take(a, values);
    s->value_queue = arena_take(a, values);
    s->value_mark = arena_zeroed(a, 2 * values);
    if (!s->need || !s->is_source || !s->write_class || !s->update_class || !s->value_queue
        || !s->value_mark)
        return out_of_memory(s);
    memset(s->write_class, -1, (size_t)values);
    memset(s->update_class, -1, (size_t)values);
    return true;
}

static void count_needs(search *s)
{
    s->rejected = 0;
    for (int32_t i = 0; i < s->count; i++) {
        const operation *o = &s->operations[i];
        if (o->outcome != LIN_OPEN) count_need(s, o, +1);
        else if (o->function == LIN_UPDATE) s->is_source[o->a] = 1;
    }
}

/* Makes the classes from the open operations that may matter; `class_of` maps twins to classes. */
static bool fill_classes(search *s, int32_t *class_of)
{
    int32_t members = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t i = 0; i < s->count; i++) {
            const operation *o = &s->operations[i];
            if (o->outcome != LIN_OPEN || o->function == LIN_READ) continue;
            int32_t target = o->function == LIN_WRITE ? o->a : o->b;
            open_class wanted = {.function = o->function, .source = o->a, .target = target};
            if (!class_matters(s, &wanted)) continue;
            if (pass == 0) {
                if (class_of[o->twin] < 0) {
                    class_of[o->twin] = s->class_count;
                    s->classes[s->class_count++] = wanted;
                }
                s->classes[class_of[o->twin]].end++;
                members++;
            } else {
                s->class_members[s->classes[class_of[o->twin]].end++] = i;
            }
        }
        int32_t start = 0;
        for (int32_t c = 0; c < s->class_count && pass == 0; c++) {
            int32_t size = s->classes[c].end;
            s->classes[c].start = s->classes[c].end = start;
            start += size;
        }
        if (pass == 0) {
            s->class_members = arena_take(&s->arena, (int64_t)sizeof(int32_t) * (members + 1));
            if (!s->class_members) return out_of_memory(s);
        }
    }
    return true;
}

static bool load_open_classes(search *s)
{
    int32_t open = 0;
    for (int32_t i = 0; i < s->count; i++) open += s->operations[i].outcome == LIN_OPEN;
    if (!open_arrays(s)) return false;
    count_needs(s);
    int64_t twins = (int64_t)sizeof(int32_t) * (s->twin_count + 1);
    int32_t *class_of = arena_take(&s->arena, twins);
    s->classes = arena_take(&s->arena, (int64_t)sizeof *s->classes * (open + 1));
    s->class_mark = arena_zeroed(&s->arena, (int64_t)sizeof *s->class_mark * (open + 1));
    if (!class_of || !s->classes || !s->class_mark) return out_of_memory(s);
    memset(class_of, -1, (size_t)twins);
    if (!fill_classes(s, class_of)) return false;
    for (int32_t c = 0; c < s->class_count; c++) {
        open_class *class = &s->classes[c];
        if (class->function == LIN_WRITE) {
            s->write_class[class->target] = c;
        } else {
            class->next_update = s->update_class[class->target];
            s->update_class[class->target] = c;
        }
    }
    return true;
}

/* Unlinks open puts and appends whose text no get of the key returned. Comparing all with all is
   bounded; beyond the bound they stay, which costs time and changes nothing. */
static void drop_unseen_texts(search *s)
{
    int64_t work = (int64_t)1 << 26;
    for (int32_t i = 0; i < s->count; i++) {
        operation *o = &s->operations[i];
        if (o->outcome != LIN_OPEN || o->function == LIN_READ) continue;
        bool seen = false;
        const text_value *part = &s->texts[o->a];
        for (int32_t j = 0; j < s->count && !seen; j++) {
            const operation *get = &s->operations[j];
            if (get->function != LIN_READ || get->outcome == LIN_OPEN) continue;
            const text_value *whole = &s->texts[get->a];
            work -= whole->length + 1;
            if (work < 0) return;
            seen = may_contain(whole, part, s->prefixes);
        }
        if (!seen) unlink_node(s->nodes, o->call);
    }
}

/* Before the first return `limit`, has a member of the class been called that is still unused? */
static inline bool available(const search *s, const open_class *c, int32_t limit)
{
    int32_t next = c->start + (s->relaxed ? 0 : c->used);
    return next < c->end && s->operations[s->class_members[next]].call < limit;
}

static bool add_candidate(search *s, int32_t candidate)
{
    if (!grow(&s->memory, (void **)&s->candidates, &s->candidate_capacity,
              s->candidate_count + 1, sizeof *s->candidates))
        return out_of_memory(s);
    s->candidates[s->candidate_count++] = candidate;
    return true;
}

/* Would using this class now be a move of its own? In a chain only compare-and-sets go on. */
static inline bool applies(const search *s, const open_class *c, int32_t chain)
{
    if ((uint64_t)c->target == s->state.x) return false;
    return c->function == LIN_WRITE ? !chain : (uint64_t)c->source == s->state.x;
}

static inline void want_value(search *s, int32_t value, int32_t *queued)
{
    if ((uint64_t)value == s->state.x || s->value_mark[value] == s->tick) return;
    s->value_mark[value] = s->tick;
    s->value_queue[(*queued)++] = value;
}

/* Queues the states that operations in the window need and that the state is not. True if any
   other state would do: for a rejected compare-and-set, or when states are collected. */
static bool queue_wanted(search *s, int32_t limit, int32_t *queued)
{
    bool any = s->target >= 0 && limit == s->target;
    for (int32_t p = s->nodes[0].next; p != limit; p = s->nodes[p].next) {
        const operation *o = &s->operations[s->nodes[p].operation];
        if (o->outcome == LIN_REJECTED) any |= (uint64_t)o->a == s->state.x;
        else if (o->function != LIN_WRITE) want_value(s, o->a, queued);
    }
    return any;
}

/* Adds the classes that begin, or go on with, a chain that makes something in the window
   possible. */
static bool add_open_candidates(search *s, int32_t limit, int32_t chain)
{
    int32_t queued = 0;
    s->tick++;
    if (queue_wanted(s, limit, &queued))
        for (int32_t c = 0; c < s->class_count; c++)
            if (applies(s, &s->classes[c], chain) && available(s, &s->classes[c], limit)) {
                s->class_mark[c] = s->tick;
                if (!add_candidate(s, ~c)) return false;
            }
    for (int32_t i = 0; i < queued; i++) {
        int32_t value = s->value_queue[i], write = s->write_class[value];
        if (write >= 0 && available(s, &s->classes[write], limit)) {
            if (!chain && s->class_mark[write] != s->tick && !add_candidate(s, ~write))
                return false;
            if (s->relaxed) continue; /* one step, and it never runs out: no detour is better */
        }
        for (int32_t c = s->update_class[value]; c >= 0; c = s->classes[c].next_update) {
            const open_class *class = &s->classes[c];
            if (!available(s, class, limit)) continue;
            if (!applies(s, class, 1)) want_value(s, class->source, &queued);
            else if (s->class_mark[c] != s->tick && !add_candidate(s, ~c)) return false;
        }
    }
    return true;
}

/* Can an open operation lead to `value` before the return `limit`? (It may need others first.) */
static bool open_leads_to(const search *s, int32_t value, int32_t limit)
{
    if (!s->class_count) return false;
    int32_t write = s->write_class[value];
    if (write >= 0 && available(s, &s->classes[write], limit)) return true;
    for (int32_t c = s->update_class[value]; c >= 0; c = s->classes[c].next_update)
        if (available(s, &s->classes[c], limit)) return true;
    return false;
}

/* Uses the next member of class `number`. */
static bool lift_open(search *s, int32_t number, int32_t limit)
{
    open_class *c = &s->classes[number];
    int32_t next = c->start + c->used;
    bool over = next >= c->end || s->operations[s->class_members[next]].call >= limit;
    if (!grow(&s->memory, (void **)&s->trail, &s->trail_capacity,
              s->count + s->open_lifts + 2, sizeof *s->trail)
        || !grow(&s->memory, (void **)&s->open_stack, &s->open_capacity, s->open_lifts + 1,
                 sizeof *s->open_stack))
        return out_of_memory(s);
    s->open_stack[s->open_lifts++] = number;
    s->trail[s->trail_count++] = ~(2 * (int64_t)number + over);
    c->used++;
    s->overdrawn += over;
    s->open_hash += scatter((uint64_t)number + 0x9876);
    s->state.x = (uint64_t)c->target;
    return true;
}

static void lower_open(search *s, int64_t entry)
{
    int32_t number = (int32_t)(~entry >> 1);
    s->classes[number].used--;
    s->overdrawn -= ~entry & 1;
    s->open_hash -= scatter((uint64_t)number + 0x9876);
    s->open_lifts--;
}

#endif
