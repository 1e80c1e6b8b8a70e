/* Open removals from queues, stacks, bags and priority queues: nobody knows what they took.

   Each may take one item that nobody else removed (call it a rest) after its call, or nothing. They
   are called tokens here; a token that takes an item is a removal that never returned. Tried in
   turn:

   - No token takes anything. If that is legal, so is the history.
   - Leniently: any rest may go at any time after the first token was called, as if there were any
     number of tokens. If that is illegal, so is the history.
   - By deadlines. A rest may have to be gone by the end of some operation, if that can only come
     after it: an empty removal that began when it was surely there; and for each object what
     `hinders` says. These deadlines hold in any order. Tokens can meet them only if the token that
     was called first can meet the first deadline, the second the second, and so on; if that fails,
     the history is illegal. Else give the tokens to the rests in this way. If that is legal, so is
     the history. If not, another choice might do, and the search must decide.

   For queues without empty removals the last step decides: if rest a hinders item b, it is gone
   before b, and nothing else can be wrong with a token's removal, which has no end. */
#ifndef LIN_UNIQUE_OPEN_H
#define LIN_UNIQUE_OPEN_H

#include "unique_items.h"

typedef struct {
    int32_t (*decide)(item_check *);
    /* Must rest a be gone when removed item b goes? NULL: never. */
    bool (*hinders)(const item *a, const item *b);
} object;

typedef struct {
    int32_t deadline, item;
} due;

static int by_deadline(const void *x, const void *y)
{
    const due *a = x, *b = y;
    if (a->deadline != b->deadline) return a->deadline < b->deadline ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

/* By when the rest `a` must be gone: a gap; the last one means never. */
static int32_t deadline_of(const item_check *c, const object *how, const item *a)
{
    const unique *u = c->u;
    int32_t deadline = u->end;
    for (int32_t k = 0; k < c->count && how->hinders; k++) {
        const item *b = &c->items[k];
        if (b->remove_last < deadline && how->hinders(a, b)) deadline = b->remove_last;
    }
    for (int32_t i = 0; i < u->count && c->empties; i++)
        if (claim(u, i)->function == LIN_EMPTY && u->first[i] > a->add_last
            && u->last[i] < deadline)
            deadline = u->last[i];
    return deadline;
}

/* Gives tokens to narrowed rests. LIN_ILLEGAL if no choice can meet the deadlines; LIN_UNKNOWN if
   it would take too long. */
static int32_t give_tokens(item_check *c, const object *how)
{
    const int64_t most = (int64_t)1 << 28;
    unique *u = c->u;
    due *dues = arena_take(u->arena, (int64_t)sizeof *dues * (c->count + 1));
    if (!dues) return LIN_UNKNOWN;
    int32_t count = 0;
    int64_t work = 0;
    for (int32_t k = 0; k < c->count; k++) {
        const item *a = &c->items[k];
        if (a->remove_last < u->end) continue;
        work += u->count;
        if (work > most) return LIN_UNKNOWN;
        int32_t deadline = deadline_of(c, how, a);
        if (a->remove_first > deadline) dues[count++] = (due){deadline, k};
    }
    qsort(dues, (size_t)count, sizeof *dues, by_deadline);
    for (int32_t d = 0; d < count; d++) {
        item *a = &c->items[dues[d].item];
        if (d == c->token_count || u->first[c->tokens[d]] > dues[d].deadline) {
            blame(u, a->add);
            return LIN_ILLEGAL;
        }
        a->remove = c->tokens[d];
        a->remove_first = u->first[a->remove];
        if (a->remove_first < a->add_first) a->remove_first = a->add_first;
    }
    return LIN_LEGAL;
}

/* Decides narrowed items. */
static int32_t decide_items(item_check *c, const object *how)
{
    if (!make_cover(c)) return LIN_UNKNOWN;
    int32_t verdict = check_empties(c);
    return verdict == LIN_LEGAL ? how->decide(c) : verdict;
}

static bool copy_items(item_check *c, const item *from)
{
    c->items = arena_take(c->u->arena, (int64_t)sizeof *c->items * (c->u->count + 1));
    if (c->items) memcpy(c->items, from, sizeof *from * (size_t)c->u->value_count);
    c->u->witness_count = 0;
    c->u->placed_count = 0;
    return c->items != NULL;
}

/* Decides a key with items that come and go, and places its operations if it can. */
static int32_t check_items(unique *u, const object *how)
{
    item_check c = {.u = u};
    int32_t verdict = collect_items(&c);
    u->whole |= c.token_count > 0; /* up to a certain moment, they might have taken anything */
    if (verdict != LIN_LEGAL) return verdict;
    const item *collected = c.items;
    if (!load_gaps(u) || !copy_items(&c, collected)) return LIN_UNKNOWN;
    verdict = narrow_items(&c);
    if (verdict == LIN_LEGAL) verdict = decide_items(&c, how);
    if (verdict != LIN_ILLEGAL || !c.token_count) return verdict;

    c.lenient = true;
    if (!copy_items(&c, collected)) return LIN_UNKNOWN;
    verdict = narrow_items(&c);
    if (verdict == LIN_LEGAL) verdict = decide_items(&c, how);
    if (verdict != LIN_LEGAL) return verdict;

    c.lenient = false;
    if (!copy_items(&c, collected)) return LIN_UNKNOWN;
    narrow_items(&c); /* is legal, as it was before */
    verdict = give_tokens(&c, how);
    if (verdict != LIN_LEGAL) return verdict;
    return decide_items(&c, how) == LIN_LEGAL ? LIN_LEGAL : LIN_UNKNOWN;
}

#endif
